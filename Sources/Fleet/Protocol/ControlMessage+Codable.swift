/// The flat form of control messages: an object whose `type` names the message, with its values beside it.
extension ControlMessage: Codable {
    private enum Key: String, CodingKey {
        case type, phase, step, slotsDone, bytes, ids, block, digest, reason, exitCode, text, generation, plan, number
    }

    /// The value of `type`.
    package var name: String {
        switch self {
        case .hello: "hello"
        case .canary: "canary"
        case .ready: "ready"
        case .heartbeat: "heartbeat"
        case .credit: "credit"
        case .weightsReceived: "weightsReceived"
        case .samplesNeeded: "samplesNeeded"
        case .blockDone: "blockDone"
        case .leave: "leave"
        case .fault: "fault"
        case .welcome: "welcome"
        case .refuse: "refuse"
        case .helloAgain: "helloAgain"
        case .coordinatorHeartbeat: "coordinatorHeartbeat"
        case .plan: "plan"
        case .lease: "lease"
        case .revoke: "revoke"
        case .coordinatorCredit: "coordinatorCredit"
        case .bye: "bye"
        }
    }

    public func encode(to encoder: any Encoder) throws {
        var fields = encoder.container(keyedBy: Key.self)
        try fields.encode(name, forKey: .type)
        switch self {
        case .ready, .helloAgain: break
        case .hello(let hello): try hello.encode(to: encoder)
        case .canary(let canary): try canary.encode(to: encoder)
        case .welcome(let welcome): try welcome.encode(to: encoder)
        case .heartbeat(let phase, let step, let slotsDone):
            try fields.encode(phase, forKey: .phase)
            try fields.encodeIfPresent(step, forKey: .step)
            try fields.encode(slotsDone, forKey: .slotsDone)
        case .credit(let bytes), .coordinatorCredit(let bytes): try fields.encode(bytes, forKey: .bytes)
        case .weightsReceived(let step): try fields.encode(step, forKey: .step)
        case .samplesNeeded(let ids): try fields.encode(ids, forKey: .ids)
        case .blockDone(let step, let block, let number, let digest, let bytes):
            try fields.encode(step, forKey: .step)
            try fields.encode(block, forKey: .block)
            try fields.encode(number, forKey: .number)
            try fields.encode(digest, forKey: .digest)
            try fields.encode(bytes, forKey: .bytes)
        case .leave(let reason): try fields.encode(reason, forKey: .reason)
        case .fault(let exitCode, let text), .refuse(let exitCode, let text), .bye(let exitCode, let text):
            try fields.encode(exitCode, forKey: .exitCode)
            try fields.encode(text, forKey: .text)
        case .coordinatorHeartbeat(let generation, let step):
            try fields.encode(generation, forKey: .generation)
            try fields.encodeIfPresent(step, forKey: .step)
        case .plan(let plan): try fields.encode(plan, forKey: .plan)
        case .lease(let step, let block, let number), .revoke(let step, let block, let number):
            try fields.encode(step, forKey: .step)
            try fields.encode(block, forKey: .block)
            try fields.encode(number, forKey: .number)
        }
    }

    public init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: Key.self)
        func value<Value: Decodable>(_ key: Key) throws -> Value { try fields.decode(Value.self, forKey: key) }
        let type: String = try value(.type)
        switch type {
        case "hello": self = .hello(try Hello(from: decoder))
        case "canary": self = .canary(try Canary(from: decoder))
        case "ready": self = .ready
        case "heartbeat":
            self = .heartbeat(
                phase: try value(.phase), step: try fields.decodeIfPresent(Int.self, forKey: .step), slotsDone: try value(.slotsDone))
        case "credit": self = .credit(bytes: try value(.bytes))
        case "weightsReceived": self = .weightsReceived(step: try value(.step))
        case "samplesNeeded": self = .samplesNeeded(ids: try value(.ids))
        case "blockDone":
            self = .blockDone(
                step: try value(.step), block: try value(.block), number: try value(.number), digest: try value(.digest), bytes: try value(.bytes))
        case "leave": self = .leave(reason: try value(.reason))
        case "fault": self = .fault(exitCode: try value(.exitCode), text: try value(.text))
        case "welcome": self = .welcome(try Welcome(from: decoder))
        case "refuse": self = .refuse(exitCode: try value(.exitCode), text: try value(.text))
        case "helloAgain": self = .helloAgain
        case "coordinatorHeartbeat":
            self = .coordinatorHeartbeat(
                generation: try value(.generation), step: try fields.decodeIfPresent(Int.self, forKey: .step))
        case "plan": self = .plan(try value(.plan))
        case "lease": self = .lease(step: try value(.step), block: try value(.block), number: try value(.number))
        case "revoke": self = .revoke(step: try value(.step), block: try value(.block), number: try value(.number))
        case "coordinatorCredit": self = .coordinatorCredit(bytes: try value(.bytes))
        case "bye": self = .bye(exitCode: try value(.exitCode), text: try value(.text))
        default:
            throw DecodingError.dataCorruptedError(
                forKey: .type, in: fields, debugDescription: "there is no message of type '\(type.prefix(40))'")
        }
    }
}
