import ArgumentParser
import CommandSupport
import Fleet
import Transport

/// `mvq keygen`.
struct KeygenCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "keygen", abstract: "Makes the keys by which a coordinator and its workers know each other.",
        discussion: """
            With keys everything between coordinator and workers is encrypted and signed (CurveZMQ: Curve25519, XSalsa20, Poly1305), workers talk
            to no other coordinator, and the coordinator to no other workers. Once, on the head node or on any machine that you trust:

              mvq keygen --out keys                           keys/coordinator: stays on the head node
              mvq keygen --out keys --worker node1            keys/node1: goes to node1, and its key into the coordinator's list
              scp -rp keys/node1 node1:mvq-keys

              mvq-coordinator … --listen tcp://0.0.0.0:7700 --keys keys/coordinator
              mvq-worker --connect tcp://head:7700 --keys mvq-keys

            One key may serve many workers, as on a cluster with a shared home folder (mvq keygen --out keys --worker cluster). A key of its own
            for every machine lets you shut out one machine alone: remove its line from keys/coordinator/authorized_keys. The coordinator
            notices within seconds, while training too, and new lines as well.

            Secret keys are the files *.secret, readable by their owner alone (mode 0600; anything more open is refused). Nothing is
            overwritten: to replace keys, remove their folder first.

            Exit codes: 0 done, 64 a name that is taken or cannot be used, 74 the folder cannot be written, 77 keys that others may read or
            change, or none yet, 78 a messaging library without encryption.
            """)

    @Option(help: ArgumentHelp("Folder of the keys; a folder in it for each role.", valueName: "dir"))
    var out: String
    @Option(help: ArgumentHelp("Make keys for a worker of this name, in DIR/<name>, and add it to the coordinator's list.", valueName: "name"))
    var worker: String?

    func run() throws {
        let folder = KeyFolder(out)
        if let worker {
            let key = try folder.makeWorker(named: worker)
            print(
                """
                \(folder.worker(worker)): the keys of worker \(worker), public key \(key)
                \(folder.coordinator)/authorized_keys: lists it now; a running coordinator notices
                copy the folder to the worker's machine and start it with --keys and the folder there
                """)
        } else {
            let key = try folder.makeCoordinator()
            print(
                """
                \(folder.coordinator): the coordinator's keys, public key \(key); start it with --keys \(folder.coordinator)
                next, for each worker: mvq keygen --out \(out) --worker NAME
                """)
        }
    }
}
