package config

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Text takes any text that is not empty.
func Text(p *string) func(string) error {
	return func(text string) error {
		if text == "" {
			return errors.New("must not be empty")
		}
		*p = text
		return nil
	}
}

// Address takes host:port, the port as a number, 0 for any free one.
func Address(p *string) func(string) error {
	return func(text string) error {
		_, port, err := net.SplitHostPort(text)
		if err != nil {
			return fmt.Errorf("%q is not an address: write host:port, for example 127.0.0.1:7070", text)
		}
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || (n == 0 && port != "0") {
			return fmt.Errorf("%q has no port between 0 and 65535", text)
		}
		*p = text
		return nil
	}
}

// Switch takes on or off.
func Switch(p *bool) func(string) error {
	return func(text string) error {
		switch strings.ToLower(text) {
		case "on", "true", "yes", "1":
			*p = true
		case "off", "false", "no", "0":
			*p = false
		default:
			return fmt.Errorf("%q is neither on nor off", text)
		}
		return nil
	}
}

// Duration takes a Go duration from least to most.
func Duration(p *time.Duration, least, most time.Duration) func(string) error {
	return func(text string) error {
		d, err := time.ParseDuration(text)
		if err != nil {
			return fmt.Errorf("%q is not a duration: write for example 500ms, 30s or 24h", text)
		}
		if d < least || d > most {
			return fmt.Errorf("%s is not between %s and %s", text, Short(least), Short(most))
		}
		*p = d
		return nil
	}
}

// Int takes a whole number from least to most.
func Int(p *int, least, most int) func(string) error {
	return func(text string) error {
		n, err := strconv.Atoi(text)
		if err != nil {
			return fmt.Errorf("%q is not a whole number", text)
		}
		if n < least || n > most {
			return fmt.Errorf("%d is not between %d and %d", n, least, most)
		}
		*p = n
		return nil
	}
}

// OneOf takes one of the words.
func OneOf(p *string, words ...string) func(string) error {
	return func(text string) error {
		if !slices.Contains(words, text) {
			return fmt.Errorf("%q is not one of %s", text, strings.Join(words, ", "))
		}
		*p = text
		return nil
	}
}

// Level takes debug, info, warn or error.
func Level(p *slog.Level) func(string) error {
	return func(text string) error {
		if err := p.UnmarshalText([]byte(text)); err != nil {
			return fmt.Errorf("%q is not one of debug, info, warn, error", text)
		}
		return nil
	}
}

// Short is the duration without trailing zero units: 24h, not 24h0m0s.
func Short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
