/// The networks whose weights come from elsewhere: imported once into a file of ours, never downloaded.
public enum PretrainedKind: String, CaseIterable, Sendable, Encodable {
    /// The convolutions of VGG16, as `net.slice{1…5}.N.{weight, bias}`.
    case vgg16
    /// The 1 × 1 layers of LPIPS v0.1 on VGG16, as `lin{0…4}.model.1.weight`.
    case lpips
    /// Both: all that the perceptual loss needs.
    case perceptual
    /// DINOv2 ViT-B/14 or ViT-S/14, under the names of Hugging Face's `Dinov2Model`.
    case dinov2
    /// A MergeVQ tokenizer, its averaged weights included.
    case tokenizer

    /// What the network is, for people.
    public var title: String {
        switch self {
        case .vgg16: "VGG16 convolutions"
        case .lpips: "LPIPS v0.1 layers"
        case .perceptual: "VGG16 convolutions and LPIPS v0.1 layers"
        case .dinov2: "DINOv2"
        case .tokenizer: "MergeVQ tokenizer"
        }
    }

    /// The command that makes a file of this kind, for complaints about a missing one.
    public var importCommand: String {
        switch self {
        case .vgg16: "mvq import vgg16.safetensors --kind vgg16 --out vgg16.h5"
        case .lpips: "mvq import lpips.safetensors --kind lpips --out lpips.h5"
        case .perceptual: "mvq import vgg16.safetensors lpips.safetensors --kind perceptual --out perceptual.h5"
        case .dinov2: "mvq import dinov2.safetensors --kind dinov2 --out dinov2.h5"
        case .tokenizer: "mvq import tokenizer.safetensors --kind tokenizer --config FILE --out tokenizer.h5"
        }
    }

    /// Whether a file of another kind holds all that this one asks for.
    func isPart(of other: PretrainedKind) -> Bool {
        self == other || (other == .perceptual && (self == .vgg16 || self == .lpips))
    }
}
