package json11

import (
	"math"
	"strconv"

	"github.com/runnel-io/runnel/api/awsapi/shape"
)

func (p *parser) number(s *shape.Shape) (shape.Value, error) {
	start := p.i
	whole, ok := p.skipNumber()
	if !ok {
		return shape.Value{}, ErrSyntax
	}
	if !p.fits(s, shape.GotNumber) {
		return shape.Value{}, nil
	}
	text := string(p.b[start:p.i])
	v := shape.Value{Set: true}
	switch s.Kind {
	case shape.Timestamp:
		v.Num = clamp(math.Round(parseFloat(text)*1000), math.MinInt64/1000, math.MaxInt64/1000)
	case shape.Integer:
		v.Num = integer(text, whole, math.MinInt32, math.MaxInt32)
	default:
		v.Num = integer(text, whole, math.MinInt64, math.MaxInt64)
	}
	return v, nil
}

// integer floors fractions and clamps to the range, as the service does.
func integer(text string, whole bool, low, high int64) int64 {
	if whole {
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return max(low, min(n, high))
		}
	}
	return clamp(math.Floor(parseFloat(text)), low, high)
}

// parseFloat is text as a float; beyond the range it is infinite.
func parseFloat(text string) float64 {
	f, _ := strconv.ParseFloat(text, 64)
	return f
}

func clamp(f float64, low, high int64) int64 {
	switch {
	case f <= float64(low):
		return low
	case f >= float64(high):
		return high
	}
	return int64(f)
}

// skipNumber consumes a number. whole tells that it has neither fraction nor
// exponent.
func (p *parser) skipNumber() (whole, ok bool) {
	p.take('-')
	if !p.take('0') && !p.digits() {
		return false, false
	}
	whole = true
	if p.take('.') {
		if whole = false; !p.digits() {
			return false, false
		}
	}
	if p.take('e') || p.take('E') {
		if !p.take('+') {
			p.take('-')
		}
		if whole = false; !p.digits() {
			return false, false
		}
	}
	return whole, true
}

func (p *parser) digits() bool {
	start := p.i
	for p.i < len(p.b) && p.b[p.i] >= '0' && p.b[p.i] <= '9' {
		p.i++
	}
	return p.i > start
}
