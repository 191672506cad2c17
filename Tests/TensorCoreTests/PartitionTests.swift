import TensorCore
import Testing

@Suite struct PartitionTests {
    @Test(arguments: [0, 1, 7, 63, 64, 255, 256, 257, 383, 384, 1023, 1024, 1025, 4097], [8, 64, 256, 512])
    func rangesFollowOneAnother(_ count: Int, _ length: Int) {
        let partition = Partition(count, about: length)
        var end = 0
        for part in 0..<partition.parts {
            #expect(partition[part].lowerBound == end && partition[part].lowerBound % 8 == 0)
            // No small remainders, and none much longer than asked for.
            #expect(partition[part].count >= min(count, length / 2 + 1) - 8 && partition[part].count < length * 3 / 2 + 8)
            end = partition[part].upperBound
        }
        #expect(end == count && partition.longest == (0..<partition.parts).map { partition[$0].count }.max() ?? 0)
    }

    @Test func rangesOfACountThatDoesNotDivide() {
        let partition = Partition(1025, about: 256)
        #expect((0..<partition.parts).map { partition[$0] } == [0..<256, 256..<512, 512..<768, 768..<1025])
    }
}
