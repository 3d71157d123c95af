package bench

import (
	"context"
	"embed"
	"time"
)

// The program has a folder of its own because Go takes a C file beside its own
// for cgo.
//
//go:embed pingpong/pingpong.c
var pingpongSource embed.FS

// pingpong is the C program that passes messages.
type pingpong struct{ *coprocess }

// startPingpong compiles the C program and starts it. It ends when ctx does, or
// with stop.
func startPingpong(ctx context.Context, where Placement) (*pingpong, error) {
	program, err := compile(ctx, pingpongSource, "pingpong/pingpong.c", nil)
	if err != nil {
		return nil, err
	}
	client, server := where.cores()
	c, err := program.start(ctx, "ping-pong in C", client, server)
	if err != nil {
		return nil, err
	}
	return &pingpong{c}, nil
}

// batch adds the round trips of about d, with the frames of x, to s. The server
// is busy for work, in nanoseconds, before it answers.
func (p *pingpong) batch(x exchange, work int64, d time.Duration, s *samples) error {
	return p.ask(s, x.requestFrame(), x.replyFrame(), d.Nanoseconds(), work)
}
