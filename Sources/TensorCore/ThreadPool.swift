internal import CFloat
import Synchronization

#if canImport(Glibc)
import Glibc
#endif

/// Threads that run numbered tiles of work. Tiles are taken dynamically, so a busy core costs only its share; what a tile computes must not
/// depend on who runs it or on the number of threads, and then neither do the bits.
///
/// One caller at a time; no nesting.
// Sendable: all shared state is atomic or written before the generation counter is released and read after it is acquired.
public final class ThreadPool: @unchecked Sendable {
    /// Threads that work, the caller included.
    public let threads: Int

    private let generation = Atomic<Int>(0)
    private let nextTile = Atomic<Int>(0)
    private let running = Atomic<Int>(0)
    private let stopping = Atomic<Bool>(false)
    private var tiles = 0
    private var body: ((Int) -> Void)?
    private let wake: Wake
    private var handles: [pthread_t] = []

    /// Spins of about 5 ns before a helper goes to sleep, and before a waiting caller yields.
    private static let spins = 4000

    public init(threads: Int) {
        precondition(threads >= 1, "a pool needs at least one thread, not \(threads)")
        self.threads = threads
        wake = Wake()
        for _ in 1..<max(threads, 1) {
            var handle = pthread_t()
            let context = Unmanaged.passRetained(Helper(pool: self, wake: wake)).toOpaque()
            let status = pthread_create(&handle, nil, { context in
                guard let context else { return nil }
                Unmanaged<Helper>.fromOpaque(context).takeRetainedValue().run()
                return nil
            }, context)
            precondition(status == 0, "cannot start a thread: error \(status)")
            handles.append(handle)
        }
    }

    deinit {
        stopping.store(true, ordering: .releasing)
        generation.add(1, ordering: .releasing)
        wake.all()
        for handle in handles { pthread_join(handle, nil) }
    }

    /// Calls `body(0)` … `body(count − 1)`, each once, in any order and on any of the threads; returns when all are done.
    public func parallel(_ count: Int, _ body: (Int) -> Void) {
        if threads == 1 || count <= 1 {
            for tile in 0..<max(count, 0) { body(tile) }
            return
        }
        withoutActuallyEscaping(body) { body in
            precondition(self.body == nil, "a thread pool's work must not start more work on the same pool")
            self.body = body
            tiles = count
            nextTile.store(0, ordering: .relaxed)
            running.store(threads - 1, ordering: .relaxed)
            generation.add(1, ordering: .releasing)
            wake.all()
            drain()
            var waited = 0
            while running.load(ordering: .acquiring) > 0 {
                waited += 1
                if waited < ThreadPool.spins { cpu_pause() } else { sched_yield() }
            }
            self.body = nil
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

    /// A helper thread's loop. It must not retain the pool, or the pool would never end.
    private final class Helper: @unchecked Sendable {
        private unowned let pool: ThreadPool
        private let wake: Wake

        init(pool: ThreadPool, wake: Wake) {
            self.pool = pool
            self.wake = wake
        }

        func run() {
            var seen = 0
            while true {
                var waited = 0
                while pool.generation.load(ordering: .acquiring) == seen {
                    waited += 1
                    if waited < ThreadPool.spins { cpu_pause() } else { wake.sleep { self.pool.generation.load(ordering: .acquiring) == seen } }
                }
                seen += 1
                if pool.stopping.load(ordering: .acquiring) { return }
                pool.drain()
                pool.running.subtract(1, ordering: .releasing)
            }
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
