import Fleet

/// What is going to happen, by virtual time and then in the order in which it was planned: a binary heap.
struct EventQueue {
    struct Entry {
        let time: Instant
        let order: Int
        let body: () -> Void

        static func < (left: Entry, right: Entry) -> Bool {
            left.time == right.time ? left.order < right.order : left.time < right.time
        }
    }

    private var entries: [Entry] = []
    private var order = 0

    mutating func add(at time: Instant, _ body: @escaping () -> Void) {
        order += 1
        entries.append(Entry(time: time, order: order, body: body))
        var child = entries.count - 1
        while child > 0, entries[child] < entries[(child - 1) / 2] {
            entries.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    /// Takes out what happens next.
    mutating func next() -> Entry? {
        guard let first = entries.first else { return nil }
        let last = entries.removeLast()
        guard !entries.isEmpty else { return first }
        entries[0] = last
        var parent = 0
        while true {
            var least = parent
            let (left, right) = (2 * parent + 1, 2 * parent + 2)
            if left < entries.count, entries[left] < entries[least] { least = left }
            if right < entries.count, entries[right] < entries[least] { least = right }
            guard least != parent else { return first }
            entries.swapAt(parent, least)
            parent = least
        }
    }

    mutating func removeAll() { entries = [] }
}
