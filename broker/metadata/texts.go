package metadata

import "github.com/runnel-io/runnel/stream"

// Account is in whose name streams are refused: its id and region are part of
// the texts that the API defines.
type Account struct{ ID, Region string }

// NoStream says that there is no stream of that name.
func (a Account) NoStream(name string) *stream.Error {
	return stream.Errorf(stream.CodeNotFound, "Stream %s under account %s not found.", name, a.ID)
}

// NotActive refuses a change of a stream that is being changed.
func (a Account) NotActive(name string, s Status) *stream.Error {
	return stream.Errorf(stream.CodeInUse, "Stream %s under account %s not ACTIVE, instead in state %s", name, a.ID, s)
}

// Exists refuses a second stream of one name.
func (a Account) Exists(name string) *stream.Error {
	return stream.Errorf(stream.CodeInUse, "Stream %s under account %s already exists.", name, a.ID)
}

// NoShard says that a stream has no shard of that name or index.
func (a Account) NoShard(shard, name string) *stream.Error {
	return stream.Errorf(stream.CodeNotFound, "Could not find shard %s in stream %s under account %s.", shard, name, a.ID)
}

// ShardGone is how readers are told that a stream or shard is not there.
func (a Account) ShardGone(index uint32, name string) *stream.Error {
	return stream.Errorf(stream.CodeNotFound, "Shard %s in stream %s under account %s does not exist",
		stream.ShardName(index), name, a.ID)
}

// Resharded refuses to split or merge a closed shard.
func (a Account) Resharded(index uint32, name string) *stream.Error {
	return stream.Errorf(stream.CodeInvalidArgument,
		"Shard %s in stream %s under account %s has already been merged or split, and thus is not eligible for merging or splitting.",
		stream.ShardName(index), name, a.ID)
}

// ShardLimit refuses more shards than the account may have.
func (a Account) ShardLimit(have, limit, more int) *stream.Error {
	return stream.Errorf(stream.CodeLimitExceeded,
		"This request would exceed the shard limit for the account %s in %s. Current shard count for the account: %d. Limit: %d. "+
			"Number of additional shards that would have resulted from this request: %d. "+
			"Refer to the AWS Service Limits page (http://docs.aws.amazon.com/general/latest/gr/aws_service_limits.html) "+
			"for current limits and how to request higher limits.", a.ID, a.Region, have, limit, more)
}

// TooManyCreating refuses to create many streams at once.
func (a Account) TooManyCreating(limit uint32) *stream.Error {
	return stream.Errorf(stream.CodeLimitExceeded,
		"This request would exceed the limit of %d streams in CREATING state for the account %s in %s.", limit, a.ID, a.Region)
}

func (a Account) badSplit(c *SplitShard, r stream.HashRange) *stream.Error {
	return stream.Errorf(stream.CodeInvalidArgument,
		"NewStartingHashKey %s used in SplitShard() on shard %s in stream %s under account %s is not both greater than one plus "+
			"the shard's StartingHashKey %s and less than the shard's EndingHashKey %s.",
		c.At, stream.ShardName(c.Shard), c.Name, a.ID, r.Start, r.End)
}

func (a Account) notAdjacent(c *MergeShards) *stream.Error {
	return stream.Errorf(stream.CodeInvalidArgument,
		"Shards %s and %s in stream %s under account %s are not an adjacent pair of shards eligible for merging",
		stream.ShardName(c.Shard), stream.ShardName(c.Adjacent), c.Name, a.ID)
}

func (a Account) scaleTooOften(name string, limit uint32) *stream.Error {
	return stream.Errorf(stream.CodeLimitExceeded,
		"Stream %s under account %s has been scaled %d times within the last 24 hours, which is the limit.", name, a.ID, limit)
}

func (a Account) scaleOutOfRange(name string, current, target, least, most int) *stream.Error {
	return stream.Errorf(stream.CodeLimitExceeded,
		"UpdateShardCount cannot change stream %s under account %s from %d to %d open shards: the target must be from %d to %d.",
		name, a.ID, current, target, least, most)
}

func retentionTooShort(hours int) *stream.Error {
	return stream.Errorf(stream.CodeInvalidArgument,
		"Minimum allowed retention period is %d hours. Requested retention period (%d hours) is too short.",
		stream.MinRetentionHours, hours)
}

func retentionTooLong(hours int) *stream.Error {
	return stream.Errorf(stream.CodeInvalidArgument,
		"Maximum allowed retention period is %d hours. Requested retention period (%d hours) is too long.",
		stream.MaxRetentionHours, hours)
}

// CheckRetention refuses a retention outside the limits of the API.
func CheckRetention(hours int) *stream.Error {
	switch {
	case hours < stream.MinRetentionHours:
		return retentionTooShort(hours)
	case hours > stream.MaxRetentionHours:
		return retentionTooLong(hours)
	}
	return nil
}

func retentionShrinks(c *SetRetention, existing uint32) *stream.Error {
	return stream.Errorf(stream.CodeInvalidArgument,
		"Requested retention period (%d hours) for stream %s can not be shorter than existing retention period (%d hours). "+
			"Use DecreaseRetentionPeriod API.", c.Hours, c.Name, existing)
}

func retentionGrows(c *SetRetention, existing uint32) *stream.Error {
	return stream.Errorf(stream.CodeInvalidArgument,
		"Requested retention period (%d hours) for stream %s can not be longer than existing retention period (%d hours). "+
			"Use IncreaseRetentionPeriod API.", c.Hours, c.Name, existing)
}

// errStale answers a command of the reconciler that no longer fits: another
// one has done its work, or the stream has taken another course.
func errStale(what string, id stream.StreamID) *stream.Error {
	return stream.Errorf(stream.CodeInvalidArgument, "%s does not fit the state of stream incarnation %d", what, id)
}
