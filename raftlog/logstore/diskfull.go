package logstore

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/runnel-io/runnel/storage"
)

// diskFull makes an error for lack of space match storage.ErrDiskFull.
func diskFull(err error) error {
	if errors.Is(err, storage.ErrDiskFull) || !errors.Is(err, syscall.ENOSPC) && !errors.Is(err, syscall.EDQUOT) {
		return err
	}
	return fmt.Errorf("%w: %w", storage.ErrDiskFull, err)
}
