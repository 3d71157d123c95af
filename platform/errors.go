package platform

import "fmt"

// DeviceError says what is wrong with a device directory, and where.
type DeviceError struct {
	Path string
	What string // continues the sentence that Path begins
}

func (e *DeviceError) Error() string { return e.Path + " " + e.What }

// InUseError says that a device is open already.
type InUseError struct {
	Dir string
	PID int // of the process that holds it; 0 if it has not said
}

func (e *InUseError) Error() string {
	if e.PID == 0 {
		return e.Dir + " is in use by another process"
	}
	return fmt.Sprintf("%s is in use by pid %d", e.Dir, e.PID)
}
