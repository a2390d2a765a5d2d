package storage

import (
	"errors"
	"io/fs"
	"syscall"
)

func isLocked(err error) bool {
	return errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EACCES)
}

func isNotExist(err error) bool { return errors.Is(err, fs.ErrNotExist) }
