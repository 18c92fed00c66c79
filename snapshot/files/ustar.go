package files

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// ustarFields are what one header block of a tar holds (POSIX.1-2001, pax
// interchange format). A value that does not fit is left zero, or cut: collect
// has put it into a PAX record.
type ustarFields struct {
	name, link   string
	kind         byte
	mode         int64
	uid, gid     int64
	size         int64
	mtime        int64
	uname, gname string
	major, minor int64
}

// append adds the block to b.
func (f *ustarFields) append(b []byte) []byte {
	start := len(b)
	b = append(b, make([]byte, blockSize)...)
	h := b[start:]
	name := f.name
	if len(name) > 100 && f.kind != '5' {
		name = strings.TrimRight(name[:100], "/") // it would look like a folder
	}
	putASCII(h[0:100], name)
	putOctal(h[100:108], f.mode)
	putOctal(h[108:116], f.uid)
	putOctal(h[116:124], f.gid)
	putOctal(h[124:136], f.size)
	putOctal(h[136:148], f.mtime)
	h[156] = f.kind
	putASCII(h[157:257], f.link)
	copy(h[257:], "ustar\x0000")
	putASCII(h[265:296], f.uname) // these two end in a zero byte
	putASCII(h[297:328], f.gname)
	if f.major|f.minor != 0 {
		putOctal(h[329:337], f.major)
		putOctal(h[337:345], f.minor)
	}
	sum := int64(8 * ' ') // the field itself counts as blanks
	for _, c := range h {
		sum += int64(c)
	}
	putOctal(h[148:155], sum)
	h[155] = ' '
	return b
}

// putASCII leaves out what is not ASCII.
func putASCII(field []byte, s string) {
	for i, n := 0, 0; i < len(s) && n < len(field); i++ {
		if s[i] < 0x80 {
			field[n] = s[i]
			n++
		}
	}
}

// putOctal fills a field with digits and a zero byte.
func putOctal(field []byte, v int64) {
	last := len(field) - 1
	if v < 0 || v >= 1<<(3*last) {
		v = 0
	}
	for i := last - 1; i >= 0; i-- {
		field[i] = byte('0' + v&7)
		v >>= 3
	}
	field[last] = 0
}

// collect makes the PAX records of all that does not fit into f, and of the
// extended attributes, sorted by key.
func (m *headerMaker) collect(e *entry, f *ustarFields) {
	m.records = m.records[:0]
	m.number("gid", f.gid, maxOctal8)
	m.text("gname", f.gname, 31)
	m.text("linkpath", f.link, 100)
	if t := e.node.mtime; t.nsec != 0 || t.sec < 0 || t.sec > maxOctal12 {
		m.record("mtime", paxTime(t))
	}
	m.text("path", f.name, 100)
	m.number("size", f.size, maxOctal12)
	m.number("uid", f.uid, maxOctal8)
	m.text("uname", f.uname, 31)
	for _, x := range e.xattrs {
		m.record(xattrRecord+x.name, x.value)
	}
}

func (m *headerMaker) number(key string, v, most int64) {
	if v > most {
		m.record(key, strconv.FormatInt(v, 10))
	}
}

func (m *headerMaker) text(key, s string, most int) {
	if len(s) > most || strings.IndexFunc(s, func(r rune) bool { return r >= 0x80 }) >= 0 {
		m.record(key, s)
	}
}

// record adds "LENGTH KEY=VALUE\n", of which the length counts itself.
func (m *headerMaker) record(key, value string) {
	n := len(key) + len(value) + 3
	length := n + decimals(n)
	length = n + decimals(length)
	m.records = strconv.AppendInt(slices.Grow(m.records, length), int64(length), 10)
	m.records = append(m.records, ' ')
	m.records = append(m.records, key...)
	m.records = append(m.records, '=')
	m.records = append(m.records, value...)
	m.records = append(m.records, '\n')
}

func decimals(n int) int {
	d := 1
	for ; n > 9; n /= 10 {
		d++
	}
	return d
}

// paxTime writes seconds since 1970 with all nine decimals but trailing zeros.
// A time before 1970 is minus the distance from it.
func paxTime(t timestamp) string {
	sec, nsec, sign := t.sec, t.nsec, ""
	if sec < 0 {
		sign, sec = "-", -sec
		if nsec > 0 {
			sec, nsec = sec-1, 1_000_000_000-nsec
		}
	}
	if nsec == 0 {
		return sign + strconv.FormatInt(sec, 10)
	}
	return strings.TrimRight(fmt.Sprintf("%s%d.%09d", sign, sec, nsec), "0")
}
