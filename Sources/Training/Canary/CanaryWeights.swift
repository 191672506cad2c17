import NeuralNet
import TensorCore

extension ParameterLayout {
    /// Weights of the size that training starts with, in a second rather than ten: every element is uniform noise with the deviation of its
    /// initialiser around its mean, the noise a hash (SplitMix64) of the element's place in the vector.
    var canaryWeights: Tensor {
        let vector = Tensor(uninitialised: [count])
        for parameter in parameters {
            let (mean, bound): (Float, Float) =
                switch parameter.initialiser {
                case .constant(let value): (value, 0)
                case .normal(let mean, let deviation): (mean, deviation * Float(3).squareRoot())
                case .uniform(let bound): (0, bound)
                }
            for place in parameter.offset..<parameter.offset + parameter.count {
                var hash = UInt64(truncatingIfNeeded: place) &* 0x9e37_79b9_7f4a_7c15
                hash = (hash ^ (hash >> 30)) &* 0xbf58_476d_1ce4_e5b9
                hash = (hash ^ (hash >> 27)) &* 0x94d0_49bb_1331_11eb
                let noise = Float(Int32(truncatingIfNeeded: hash >> 32)) * 0x1p-31
                vector.pointer[place] = mean + bound * noise
            }
        }
        return vector
    }
}
