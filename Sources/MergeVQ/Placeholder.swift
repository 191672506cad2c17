// MergeVQ
