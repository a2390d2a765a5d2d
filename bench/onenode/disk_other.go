//go:build !linux

package main

import (
	"errors"
	"os"
)

var errLinuxOnly = errors.New("the benchmark needs Linux")

func evict(string) error { return errLinuxOnly }

func freeBytes(string) (int64, error) { return 0, errLinuxOnly }

func datasync(*os.File) error { return errLinuxOnly }
