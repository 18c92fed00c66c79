package archive

import "github.com/snapferry/snapferry/archive/memory"

// Wrapping lets a test decide what becomes of segments on their way into a
// vault: extra is the memory the stored form takes beyond the plain one.
func (w *Writer) Wrapping(extra int64, wrap func(*memory.Buffer) (*memory.Buffer, error)) {
	w.wrapping = testWrapping{extra: extra, do: wrap}
}

type testWrapping struct {
	extra int64
	do    func(*memory.Buffer) (*memory.Buffer, error)
}

func (t testWrapping) encrypts() bool                                    { return true }
func (t testWrapping) wrapMemory(plain int64) int64                      { return memory.RoundUp(plain + t.extra) }
func (t testWrapping) wrap(plain *memory.Buffer) (*memory.Buffer, error) { return t.do(plain) }

// Budget returns the memory that the writer uses.
func (w *Writer) Budget() *memory.Budget { return w.budget }
