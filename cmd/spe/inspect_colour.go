package main

import (
	"slices"

	"github.com/postern-spe/postern/platform"
)

// kind is what gives an area its colour: whose it is, and what code of that world
// may do.
type kind struct {
	world  platform.World
	rights platform.Rights
}

// callable is the world of the veneers, which is both.
const callable platform.World = "callable"

func kindOf(a *platform.AreaReport) kind {
	switch a.World {
	case platform.WorldSecure:
		return kind{a.World, a.Secure}
	case platform.WorldNonSecure:
		return kind{a.World, a.NonSecure}
	}
	return kind{world: a.World}
}

// colours are warm for the secure world and cool for the non-secure one. Kinds
// that are not among them, which no board has, get the first of their world.
var colours = []struct {
	kind   kind
	colour string
}{
	{kind{platform.WorldSecure, "rwx"}, "#fbd9c6"},
	{kind{platform.WorldSecure, "r-x"}, "#f3a488"},
	{kind{platform.WorldSecure, "rw-"}, "#fde8c4"},
	{kind{platform.WorldSecure, "r--"}, "#fdf0e4"},
	{kind{callable, ""}, "#d0b3e8"},
	{kind{platform.WorldNonSecure, "rwx"}, "#93bfe6"},
	{kind{platform.WorldNonSecure, "rw-"}, "#cbe1f4"},
	{kind{platform.WorldNonSecure, "r-x"}, "#a8dcd9"},
	{kind{platform.WorldNonSecure, "r--"}, "#dceff0"},
	{kind{platform.WorldUnmapped, ""}, "#e2e4e7"},
}

func (k kind) index() int {
	i := slices.IndexFunc(colours, func(c struct {
		kind   kind
		colour string
	}) bool {
		return c.kind == k
	})
	if i < 0 {
		for i = range colours {
			if colours[i].kind.world == k.world {
				break
			}
		}
	}
	return i
}

func (k kind) colour() string { return colours[k.index()].colour }

func (k kind) String() string {
	switch k.world {
	case callable:
		return "secure, non-secure code may enter"
	case platform.WorldUnmapped:
		return "no address"
	}
	return string(k.world) + " " + string(k.rights)
}

// kindsOf returns the kinds that a report has, in the order of colours.
func kindsOf(r *platform.Report) []kind {
	var kinds []kind
	add := func(k kind) {
		if !slices.Contains(kinds, k) {
			kinds = append(kinds, k)
		}
	}
	for _, m := range r.Memories {
		for i := range m.Areas {
			a := &m.Areas[i]
			add(kindOf(a))
			if a.Callable != nil {
				add(kind{world: callable})
			}
		}
	}
	slices.SortFunc(kinds, func(a, b kind) int { return a.index() - b.index() })
	return kinds
}
