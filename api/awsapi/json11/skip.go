package json11

// skip consumes a value of any kind without recursion: what encloses the
// current value is kept as one bit a level.
func (p *parser) skip() error {
	var inObject [maxDepth + 1]bool
	depth := 0
	for {
		opened, err := p.skipOne()
		if err != nil {
			return err
		}
		if opened != 0 {
			if depth++; depth > maxDepth {
				return ErrSyntax
			}
			inObject[depth] = opened == '{'
			if p.space(); !p.take(opened + 2) { // } and ] follow { and [ by two
				if err := p.skipName(inObject[depth]); err != nil {
					return err
				}
				continue
			}
			depth--
		}
		// A value has ended: close what ends with it, go on after a comma.
		for depth > 0 {
			p.space()
			if p.take(',') {
				p.space()
				if err := p.skipName(inObject[depth]); err != nil {
					return err
				}
				break
			}
			if closing := closer(inObject[depth]); !p.take(closing) {
				return ErrSyntax
			}
			depth--
		}
		if depth == 0 {
			return nil
		}
	}
}

func closer(object bool) byte {
	if object {
		return '}'
	}
	return ']'
}

// skipName consumes the name of a member and its colon, inside an object.
func (p *parser) skipName(inObject bool) error {
	if !inObject {
		return nil
	}
	if p.peek() != '"' {
		return ErrSyntax
	}
	if _, err := p.string(); err != nil {
		return err
	}
	if p.space(); !p.take(':') {
		return ErrSyntax
	}
	p.space()
	return nil
}

// skipOne consumes a scalar, or the bracket that opens an object or a list.
func (p *parser) skipOne() (opened byte, err error) {
	switch c := p.peek(); c {
	case '{', '[':
		p.i++
		return c, nil
	case '"':
		_, err := p.string()
		return 0, err
	case 't', 'f', 'n':
		if p.literal("true") || p.literal("false") || p.literal("null") {
			return 0, nil
		}
		return 0, ErrSyntax
	}
	if _, ok := p.skipNumber(); !ok {
		return 0, ErrSyntax
	}
	return 0, nil
}
