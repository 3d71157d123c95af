package spe

import "github.com/postern-spe/postern/spe/spm"

// SessionOf is Session for a non-secure context with another client ID.
func (w *World) SessionOf(clientID int32) (*spm.Session, error) { return w.spm.OpenSession(clientID) }

// PowerLost reports whether the power has failed.
func (w *World) PowerLost() bool { return w.soc.Power.Err() != nil }
