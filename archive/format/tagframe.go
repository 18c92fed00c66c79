package format

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
)

// A tagged object, an extents object or a table of a signed vault, ends in a
// skippable zstd frame: magic number, size, tagName, and a message
// authentication code of every byte before it. zstd -d passes it over.
const (
	tagMagic = 0x184D2A50
	tagName  = "snapferry-tag"
	// TagFrame is the size of that frame in bytes.
	TagFrame int64 = 8 + int64(len(tagName)) + sha256.Size
)

// AppendTag appends the frame that holds mac.
func AppendTag(dst []byte, mac [sha256.Size]byte) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, tagMagic)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(TagFrame-8))
	return append(append(dst, tagName...), mac[:]...)
}

// ParseTag reads the frame. ok is false for anything else.
func ParseTag(frame []byte) (mac [sha256.Size]byte, ok bool) {
	if int64(len(frame)) != TagFrame {
		return mac, false
	}
	copy(mac[:], frame[TagFrame-sha256.Size:])
	return mac, bytes.Equal(frame, AppendTag(nil, mac))
}
