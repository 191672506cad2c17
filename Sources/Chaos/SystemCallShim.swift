import Foundation

/// A small library that is loaded before the C library (LD_PRELOAD) and lets chosen system calls fail or lie, in the process that it is loaded into.
struct SystemCallShim {
    /// The library's file.
    private let library: String

    /// Compiles it with `cc` into a folder.
    ///
    /// - Throws: `ChaosFailure` with the compiler's first line.
    init(in folder: String) throws {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let source = "\(folder)/shim.c"
        try SystemCallShim.source.write(toFile: source, atomically: true, encoding: .utf8)
        library = "\(folder)/shim.so"
        if let reason = Machine.run("cc", "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl") { throw ChaosFailure(reason) }
    }

    /// The environment in which the `number`-th fsync of a file whose path contains `part` fails with EIO.
    func failingSync(of part: String, number: Int) -> [String: String?] {
        ["LD_PRELOAD": library, "MVQ_SHIM_SYNC": part, "MVQ_SHIM_AT": "\(number)"]
    }

    /// The environment in which the clock of the day jumps a day forward and a day back, every fifty times that it is read; the monotonic clock is as
    /// it is.
    var jumpingClock: [String: String?] { ["LD_PRELOAD": library, "MVQ_SHIM_CLOCK": "1"] }

    private static let source = """
        #define _GNU_SOURCE
        #include <dlfcn.h>
        #include <errno.h>
        #include <stdio.h>
        #include <stdlib.h>
        #include <string.h>
        #include <sys/time.h>
        #include <time.h>
        #include <unistd.h>

        static long shift(void) {
            static int reads = 0;
            if (!getenv("MVQ_SHIM_CLOCK")) return 0;
            int phase = __atomic_add_fetch(&reads, 1, __ATOMIC_RELAXED) / 50 % 3;
            return phase == 1 ? 86400 : phase == 2 ? -86400 : 0;
        }

        int clock_gettime(clockid_t clock, struct timespec *t) {
            static int (*real)(clockid_t, struct timespec *);
            if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
            int result = real(clock, t);
            if (result == 0 && clock == CLOCK_REALTIME) t->tv_sec += shift();
            return result;
        }

        int gettimeofday(struct timeval *restrict t, void *restrict zone) {
            static int (*real)(struct timeval *, void *);
            if (!real) real = dlsym(RTLD_NEXT, "gettimeofday");
            int result = real(t, zone);
            if (result == 0) t->tv_sec += shift();
            return result;
        }

        time_t time(time_t *t) {
            static time_t (*real)(time_t *);
            if (!real) real = dlsym(RTLD_NEXT, "time");
            time_t now = real(NULL) + shift();
            if (t) *t = now;
            return now;
        }

        int fsync(int file) {
            static int (*real)(int), hits = 0;
            const char *part = getenv("MVQ_SHIM_SYNC"), *at = getenv("MVQ_SHIM_AT");
            if (!real) real = dlsym(RTLD_NEXT, "fsync");
            if (part && at) {
                char name[64], path[4096];
                snprintf(name, sizeof name, "/proc/self/fd/%d", file);
                ssize_t length = readlink(name, path, sizeof path - 1);
                if (length > 0) {
                    path[length] = 0;
                    if (strstr(path, part) && __atomic_add_fetch(&hits, 1, __ATOMIC_RELAXED) == atoi(at)) {
                        errno = EIO;
                        return -1;
                    }
                }
            }
            return real(file);
        }

        """
}
