package key

import "encoding/binary"

// GroupOf is the group that a key belongs to, if its space has groups: what is
// found damaged there concerns that group only.
func GroupOf(k []byte) (group uint32, ok bool) {
	if len(k) < 5 {
		return 0, false
	}
	switch k[0] {
	case spaceLog, spaceStable, spaceGroup, spaceShard, spaceSegment, spaceSegmentShard, spaceShardSegment, spaceBlock:
		return binary.BigEndian.Uint32(k[1:]), true
	}
	return 0, false
}

// ParseNode reads what Node made.
func ParseNode(k []byte) (name string, err error) {
	if len(k) < 1 || k[0] != spaceNode {
		return "", malformed("node", k)
	}
	return string(k[1:]), nil
}

// ParseStable reads what Stable made.
func ParseStable(k []byte) (group uint32, name string, err error) {
	return named("stable", spaceStable, k)
}

// StableBounds are the limits of a group's stable rows.
func StableBounds(group uint32) (lo, hi []byte) { return bounds(grouped(spaceStable, group, 0)) }

// ParseGroupState reads what GroupState made.
func ParseGroupState(k []byte) (group uint32, name string, err error) {
	return named("group state", spaceGroup, k)
}

// GroupStateBounds are the limits of a group's small rows.
func GroupStateBounds(group uint32) (lo, hi []byte) { return bounds(grouped(spaceGroup, group, 0)) }

func named(kind string, space byte, k []byte) (group uint32, name string, err error) {
	if len(k) < 5 || k[0] != space {
		return 0, "", malformed(kind, k)
	}
	return binary.BigEndian.Uint32(k[1:]), string(k[5:]), nil
}
