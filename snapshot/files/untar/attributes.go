package untar

import (
	"archive/tar"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
)

// xattrRecord is the prefix of the PAX records that hold extended attributes.
const xattrRecord = "SCHILY.xattr."

// setAttributes restores owner, mode and extended attributes of a file or a
// folder, in this order: a new owner clears the set-user-ID bits and the file
// capabilities.
func (x *Extractor) setAttributes(f *os.File, m *member) error {
	h := m.header
	mode := x.mode(h)
	if x.opts.Owner {
		if err := x.soften(f.Chown(h.Uid, h.Gid), "owners cannot be restored here", m); err != nil {
			return err
		}
	}
	if err := x.soften(f.Chmod(mode), "modes cannot be restored here", m); err != nil {
		return err
	}
	return x.eachXattr(h, func(name, value string) error {
		return x.soften(setXattr(f, name, value), "an extended attribute cannot be restored here", m, "attribute", name)
	})
}

// setLinkAttributes does the same for what cannot be opened: a symbolic link, a
// device node, a named pipe.
func (x *Extractor) setLinkAttributes(f *folder, base string, m *member) error {
	h := m.header
	if x.opts.Owner {
		if err := x.soften(f.root.Lchown(base, h.Uid, h.Gid), "owners cannot be restored here", m); err != nil {
			return err
		}
	}
	if h.Typeflag != tar.TypeSymlink {
		if err := x.soften(f.root.Chmod(base, x.mode(h)), "modes cannot be restored here", m); err != nil {
			return err
		}
	}
	err := x.eachXattr(h, func(name, value string) error {
		return x.soften(f.setLinkXattr(base, name, value), "an extended attribute cannot be restored here", m, "attribute", name)
	})
	if err != nil {
		return err
	}
	return f.setTime(base, h)
}

// mode is the permission bits of an entry. A program that runs as its owner is
// restored as such only along with its owner.
func (x *Extractor) mode(h *tar.Header) fs.FileMode {
	mode := h.FileInfo().Mode() & (fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky)
	if !x.opts.Owner {
		mode &^= fs.ModeSetuid | fs.ModeSetgid
	}
	return mode
}

// soften turns the refusal of a system into a warning: the data is worth more
// than an attribute that this user, or this file system, cannot have.
func (x *Extractor) soften(err error, msg string, m *member, args ...any) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, fs.ErrPermission) || isUnsupported(err) {
		x.warn(msg, append([]any{"path", m.name, "error", err}, args...)...)
		return nil
	}
	return err
}

func (x *Extractor) eachXattr(h *tar.Header, set func(name, value string) error) error {
	if len(h.PAXRecords) == 0 {
		return nil
	}
	for _, record := range slices.Sorted(maps.Keys(h.PAXRecords)) {
		name, ok := strings.CutPrefix(record, xattrRecord)
		if !ok {
			continue
		}
		if err := set(name, h.PAXRecords[record]); err != nil {
			return fmt.Errorf("set extended attribute %s: %w", quote(name), err)
		}
	}
	return nil
}
