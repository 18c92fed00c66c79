package neo4j

import (
	"fmt"
	"log/slog"
)

// bestRatio is how well a store may compress at best. Graphs of real life reach
// 3 to 10; what does not fit at 20 does not fit.
const bestRatio = 20

// checkSpace refuses a scratch folder that is surely too small for dumps of the
// stores, and warns of one that may be: how small a dump gets is known only
// afterwards.
func (s *scratch) checkSpace(log *slog.Logger, stores ...store) error {
	size, err := sizeOf(stores...)
	if err != nil {
		return err
	}
	free, err := freeSpace(s.dir)
	if err != nil {
		return fmt.Errorf("ask for free space: %w", err)
	}
	log.Info("room for the dump", "folder", s.dir, "free_bytes", free, "store_bytes", size)
	if free < uint64(size)/bestRatio {
		return fmt.Errorf("%w: scratch folder %s has %d bytes free, the store has %d", ErrNoSpace, s.dir, free, size)
	}
	if free < uint64(size) {
		log.Warn("the scratch folder is smaller than the store; the dump may not fit", "free", free, "store", size)
	}
	return nil
}

// sizeOf is the number of bytes in the files of stores, those whose place is not
// known left out.
func sizeOf(stores ...store) (total int64, err error) {
	for _, store := range stores {
		if store.data == "" {
			continue
		}
		one, err := store.size()
		if err != nil {
			return 0, fmt.Errorf("read the store's files: %w", err)
		}
		total += one
	}
	return total, nil
}
