package stream

// Limits of the Kinesis API (reference: the public quotas page and API model
// of November 2026). Sizes of records count data plus UTF-8 key bytes.
const (
	MaxNameBytes         = 128
	MaxPartitionKeyRunes = 256

	DefaultMaxRecordBytes = 1 << 20
	MaxRecordBytes        = 10 << 20

	MaxPutRecords = 500
	MaxPutBytes   = 10 << 20

	MaxReadRecords = 10_000
	MaxReadBytes   = 10 << 20

	MinRetentionHours     = 24
	DefaultRetentionHours = 24
	MaxRetentionHours     = 8760
)

// CheckName tells whether name may name a stream: 1 to 128 of a-z, A-Z, 0-9,
// underscore, dot and hyphen.
func CheckName(name string) error {
	if name == "" || len(name) > MaxNameBytes {
		return Errorf(CodeValidation, "stream name has %d bytes, allowed are 1 to %d", len(name), MaxNameBytes)
	}
	for i := range len(name) {
		if !nameByte(name[i]) {
			return Errorf(CodeValidation, "stream name %.128q: only letters, digits, '_', '.' and '-' are allowed", name)
		}
	}
	return nil
}

func nameByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '.' || c == '-'
}
