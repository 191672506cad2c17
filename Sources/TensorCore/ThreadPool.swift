internal import CFloat
import Synchronization

#if canImport(Glibc)
import Glibc
#endif

/// Threads that run numbered tiles of work. Tiles are taken dynamically, so a busy core costs only its share; what a tile computes must not
/// depend on who runs it or on the number of threads, and then neither do the bits.
///
/// One caller at a time; no nesting.
// Sendable: all shared state is in `Crew`.
public final class ThreadPool: @unchecked Sendable {
    /// Threads that work, the caller included.
    public let threads: Int
    private let crew = Crew()
    private var helpers: [pthread_t] = []

    public init(threads: Int) {
        precondition(threads >= 1, "a pool needs at least one thread, not \(threads)")
        self.threads = threads
        ScratchStack.reserve(threads: threads)
        for _ in 1..<threads {
            var helper = pthread_t()
            let status = pthread_create(&helper, nil, { crew in
                guard let crew else { return nil }
                Unmanaged<Crew>.fromOpaque(crew).takeRetainedValue().help()
                return nil
            }, Unmanaged.passRetained(crew).toOpaque())
            precondition(status == 0, "cannot start a thread: error \(status)")
            helpers.append(helper)
        }
    }

    deinit {
        crew.stop()
        for helper in helpers { pthread_join(helper, nil) }
        ScratchStack.reserve(threads: -threads)
    }

    /// Calls `body(0)` … `body(count − 1)`, each once, in any order and on any of the threads; returns when all are done.
    public func parallel(_ count: Int, _ body: (Int) -> Void) {
        if threads == 1 || count <= 1 {
            for tile in 0..<max(count, 0) { body(tile) }
        } else {
            withoutActuallyEscaping(body) { crew.run($0, tiles: count, helpers: threads - 1) }
        }
    }
}

/// What a pool's threads share: the work at hand and who is still at it.
// Sendable: `body` and `tiles` are written before the generation counter is released and read after it is acquired; the rest is atomic.
private final class Crew: @unchecked Sendable {
    private let generation = Atomic<Int>(0)
    private let nextTile = Atomic<Int>(0)
    private let running = Atomic<Int>(0)
    private let stopping = Atomic<Bool>(false)
    private let wake = Wake()
    private var tiles = 0
    private var body: ((Int) -> Void)?

    /// Spins of about 5 ns before a helper goes to sleep, and before a waiting caller yields.
    private static let spins = 4000

    func run(_ body: @escaping (Int) -> Void, tiles: Int, helpers: Int) {
        precondition(self.body == nil, "a thread pool's work must not start more work on the same pool")
        self.body = body
        self.tiles = tiles
        nextTile.store(0, ordering: .relaxed)
        running.store(helpers, ordering: .relaxed)
        generation.add(1, ordering: .releasing)
        wake.all()
        drain()
        var waited = 0
        while running.load(ordering: .acquiring) > 0 {
            waited += 1
            if waited < Crew.spins { cpu_pause() } else { sched_yield() }
        }
        self.body = nil
    }

    func stop() {
        stopping.store(true, ordering: .relaxed)
        generation.add(1, ordering: .releasing)
        wake.all()
    }

    /// A helper thread's life.
    func help() {
        var seen = 0
        while true {
            var waited = 0
            while generation.load(ordering: .acquiring) == seen {
                waited += 1
                if waited < Crew.spins { cpu_pause() } else { wake.sleep { generation.load(ordering: .acquiring) == seen } }
            }
            seen += 1
            if stopping.load(ordering: .relaxed) { return }
            drain()
            running.subtract(1, ordering: .releasing)
        }
    }

    private func drain() {
        guard let body else { return }
        while true {
            let tile = nextTile.add(1, ordering: .relaxed).oldValue
            if tile >= tiles { return }
            body(tile)
        }
    }

    /// A condition variable that helpers sleep on.
    // Sendable: pthread objects at a fixed address, made for sharing.
    private final class Wake: @unchecked Sendable {
        private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
        private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

        init() {
            pthread_mutex_init(mutex, nil)
            pthread_cond_init(condition, nil)
        }

        deinit {
            pthread_cond_destroy(condition)
            pthread_mutex_destroy(mutex)
            condition.deallocate()
            mutex.deallocate()
        }

        func all() {
            pthread_mutex_lock(mutex)
            pthread_cond_broadcast(condition)
            pthread_mutex_unlock(mutex)
        }

        func sleep(while waiting: () -> Bool) {
            pthread_mutex_lock(mutex)
            while waiting() { pthread_cond_wait(condition, mutex) }
            pthread_mutex_unlock(mutex)
        }
    }
}
