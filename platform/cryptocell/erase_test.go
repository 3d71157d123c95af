//go:build !goexperiment.runtimesecret

package cryptocell

const wipesHeap = false
