package shape

// Encoder writes one value in some encoding. Begin and End come in pairs;
// inside a structure each value follows its Member. Errors of the sink are the
// encoder's to keep.
type Encoder interface {
	BeginStructure()
	EndStructure()
	BeginList()
	EndList()
	Member(name string)
	Text(string)
	Int(int64)
	Bool(bool)
	Time(ms int64)
	Blob([]byte)
}

// Reply writes the members of an answer. It must write the same when it is
// called again: a long answer is first measured, then sent. A nil Reply is an
// answer without a body.
type Reply func(Out)

// Out writes members of a structure.
type Out struct{ Encoder }

// Text writes a string member.
func (o Out) Text(name, value string) { o.Member(name); o.Encoder.Text(value) }

// Int writes a number member.
func (o Out) Int(name string, value int64) { o.Member(name); o.Encoder.Int(value) }

// Bool writes a boolean member.
func (o Out) Bool(name string, value bool) { o.Member(name); o.Encoder.Bool(value) }

// Time writes a timestamp member.
func (o Out) Time(name string, ms int64) { o.Member(name); o.Encoder.Time(ms) }

// Blob writes a blob member.
func (o Out) Blob(name string, value []byte) { o.Member(name); o.Encoder.Blob(value) }

// Struct writes a structure member.
func (o Out) Struct(name string, members Reply) { o.Member(name); o.Item(members) }

// Item writes a structure that is an element of a list.
func (o Out) Item(members Reply) {
	o.BeginStructure()
	members(o)
	o.EndStructure()
}

// List writes a list member; elements writes its elements.
func (o Out) List(name string, elements Reply) {
	o.Member(name)
	o.BeginList()
	elements(o)
	o.EndList()
}

// Texts writes a member that is a list of strings.
func (o Out) Texts(name string, values ...string) {
	o.List(name, func(o Out) {
		for _, v := range values {
			o.Encoder.Text(v)
		}
	})
}
