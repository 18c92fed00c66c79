package job

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/snapferry/snapferry/archive"
	"github.com/snapferry/snapferry/archive/envelope"
)

// RewrapRequest says who is let into which backups.
type RewrapRequest struct {
	// Backup is VAULT#REFERENCE, or VAULT for all encrypted backups of it.
	Backup string
	// Access opens the backups, with its Identities or Passphrase; its
	// Recipients, who get in, or NewPassphrase does.
	Access
	NewPassphrase Secret
}

// Rewrap lets more readers into encrypted backups. Nobody is shut out by it:
// who could read a backup before still can. Of a vault, backups that are not
// encrypted are left out, and those that cannot be opened reported; the error
// is ErrPartial then, or that of the first if there is no other.
func (r *Runner) Rewrap(ctx context.Context, req RewrapRequest) (*RewrapReport, error) {
	s := r.newSession()
	to, err := s.newReaders(ctx, req)
	if err != nil {
		return nil, err
	}
	vault, ref, one := cutReference(req.Backup)
	if one {
		if vault, ref, err = splitReference(req.Backup); err != nil {
			return nil, err
		}
	}
	access := req.Access
	access.Recipients = nil
	if err := s.open(ctx, Vault{URL: vault, Access: access}); err != nil {
		return nil, err
	}
	defer s.close()
	report := &RewrapReport{Vault: s.shown, Backups: []Rewrapped{}}
	if one {
		e, err := s.find(ctx, ref)
		if err != nil {
			return nil, err
		}
		file, err := s.vault.Rewrap(ctx, e.Name, to)
		if err != nil {
			return nil, err
		}
		report.Backups = append(report.Backups, Rewrapped{Name: e.Name.String(), Key: file})
	} else if err := s.rewrapAll(ctx, to, report); err != nil {
		return report, err
	}
	report.Run = s.run()
	return report, nil
}

// cutReference tells VAULT#REFERENCE from VAULT.
func cutReference(backup string) (vault, ref string, one bool) {
	i := strings.LastIndexByte(backup, '#')
	if i < 0 {
		return backup, "", false
	}
	return backup[:i], backup[i+1:], true
}

func (s *session) newReaders(ctx context.Context, req RewrapRequest) (*envelope.Recipients, error) {
	switch {
	case len(req.Recipients) > 0 && req.NewPassphrase != nil:
		return nil, usage("a passphrase", errors.New("there can be no recipient beside it"), "rewrap twice: once for the recipients, once for the passphrase")
	case len(req.Recipients) > 0:
		return s.recipients(req.Recipients)
	case req.NewPassphrase != nil:
		return passphraseRecipient(ctx, req.NewPassphrase)
	}
	return nil, usage("rewrap", errors.New("nobody is named who gets in"), "name a public key with --recipient")
}

func (s *session) rewrapAll(ctx context.Context, to *envelope.Recipients, report *RewrapReport) error {
	entries, _, err := s.vault.List(ctx, "")
	if err != nil {
		return err
	}
	entries = slices.DeleteFunc(entries, func(e archive.Entry) bool { return !e.Complete })
	var first error
	failed := 0
	for _, e := range entries {
		file, err := s.vault.Rewrap(ctx, e.Name, to)
		one := Rewrapped{Name: e.Name.String(), Key: file}
		switch {
		case err == nil:
		case errors.Is(err, archive.ErrNotEncrypted) || errors.Is(err, archive.ErrNotFound):
			continue
		case errors.Is(err, archive.ErrKey) || errors.Is(err, archive.ErrDamaged):
			one.Problem = err.Error()
			failed++
			if first == nil {
				first = err
			}
		default:
			return err
		}
		report.Backups = append(report.Backups, one)
	}
	report.Run = s.run()
	switch {
	case failed == 0:
		return nil
	case failed == len(report.Backups):
		return first
	}
	return fmt.Errorf("%w: %d of %d backups were not opened: %w", ErrPartial, failed, len(report.Backups), first)
}
