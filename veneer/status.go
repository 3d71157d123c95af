package veneer

import "strconv"

// Status is psa_status_t. Every negative value is an error of the PSA Certified
// Status code API and a Go error, so that errors.Is(err, veneer.ErrNotPermitted)
// holds wherever the status came from. Zero is success; a positive value is a
// service's own answer, such as the firmware update's "reboot needed".
type Status int32

// Success is PSA_SUCCESS.
const Success Status = 0

// The statuses that are not failures (Firmware Update API 1.0).
const (
	SuccessReboot  Status = 1
	SuccessRestart Status = 2
)

// The error statuses (Status code API 1.0, section 2; Firmware Update API 1.0;
// FF-M 1.1, section 3.1).
const (
	ErrProgrammerError      Status = -129
	ErrConnectionRefused    Status = -130
	ErrConnectionBusy       Status = -131
	ErrGenericError         Status = -132
	ErrNotPermitted         Status = -133
	ErrNotSupported         Status = -134
	ErrInvalidArgument      Status = -135
	ErrInvalidHandle        Status = -136
	ErrBadState             Status = -137
	ErrBufferTooSmall       Status = -138
	ErrAlreadyExists        Status = -139
	ErrDoesNotExist         Status = -140
	ErrInsufficientMemory   Status = -141
	ErrInsufficientStorage  Status = -142
	ErrInsufficientData     Status = -143
	ErrServiceFailure       Status = -144
	ErrCommunicationFailure Status = -145
	ErrStorageFailure       Status = -146
	ErrHardwareFailure      Status = -147
	ErrInsufficientEntropy  Status = -148
	ErrInvalidSignature     Status = -149
	ErrInvalidPadding       Status = -150
	ErrCorruptionDetected   Status = -151
	ErrDataCorrupt          Status = -152
	ErrDataInvalid          Status = -153
	ErrDependencyNeeded     Status = -156
	ErrFlashAbuse           Status = -160
	ErrInsufficientPower    Status = -161
	ErrOperationIncomplete  Status = -248
)

// statusText gives each status its PSA name and what it means to a caller.
var statusText = map[Status]struct{ name, text string }{
	Success:                 {"PSA_SUCCESS", "success"},
	SuccessReboot:           {"PSA_SUCCESS_REBOOT", "success, a reboot is needed"},
	SuccessRestart:          {"PSA_SUCCESS_RESTART", "success, a restart is needed"},
	ErrProgrammerError:      {"PSA_ERROR_PROGRAMMER_ERROR", "the call breaks the rules of the framework"},
	ErrConnectionRefused:    {"PSA_ERROR_CONNECTION_REFUSED", "connection refused"},
	ErrConnectionBusy:       {"PSA_ERROR_CONNECTION_BUSY", "no room for another connection"},
	ErrGenericError:         {"PSA_ERROR_GENERIC_ERROR", "the service failed"},
	ErrNotPermitted:         {"PSA_ERROR_NOT_PERMITTED", "not permitted"},
	ErrNotSupported:         {"PSA_ERROR_NOT_SUPPORTED", "not supported"},
	ErrInvalidArgument:      {"PSA_ERROR_INVALID_ARGUMENT", "invalid argument"},
	ErrInvalidHandle:        {"PSA_ERROR_INVALID_HANDLE", "invalid handle or key identifier"},
	ErrBadState:             {"PSA_ERROR_BAD_STATE", "not possible in the current state"},
	ErrBufferTooSmall:       {"PSA_ERROR_BUFFER_TOO_SMALL", "an output buffer is too small"},
	ErrAlreadyExists:        {"PSA_ERROR_ALREADY_EXISTS", "already exists"},
	ErrDoesNotExist:         {"PSA_ERROR_DOES_NOT_EXIST", "does not exist"},
	ErrInsufficientMemory:   {"PSA_ERROR_INSUFFICIENT_MEMORY", "not enough memory, or a request larger than the gate carries"},
	ErrInsufficientStorage:  {"PSA_ERROR_INSUFFICIENT_STORAGE", "not enough storage"},
	ErrInsufficientData:     {"PSA_ERROR_INSUFFICIENT_DATA", "not enough data"},
	ErrServiceFailure:       {"PSA_ERROR_SERVICE_FAILURE", "the service is not able to work"},
	ErrCommunicationFailure: {"PSA_ERROR_COMMUNICATION_FAILURE", "the secure world cannot be reached"},
	ErrStorageFailure:       {"PSA_ERROR_STORAGE_FAILURE", "the storage failed"},
	ErrHardwareFailure:      {"PSA_ERROR_HARDWARE_FAILURE", "the hardware failed"},
	ErrInsufficientEntropy:  {"PSA_ERROR_INSUFFICIENT_ENTROPY", "not enough entropy"},
	ErrInvalidSignature:     {"PSA_ERROR_INVALID_SIGNATURE", "a signature, MAC or hash does not match"},
	ErrInvalidPadding:       {"PSA_ERROR_INVALID_PADDING", "invalid padding"},
	ErrCorruptionDetected:   {"PSA_ERROR_CORRUPTION_DETECTED", "tampering detected"},
	ErrDataCorrupt:          {"PSA_ERROR_DATA_CORRUPT", "stored data is corrupt"},
	ErrDataInvalid:          {"PSA_ERROR_DATA_INVALID", "stored data is not valid"},
	ErrDependencyNeeded:     {"PSA_ERROR_DEPENDENCY_NEEDED", "another image is needed first"},
	ErrFlashAbuse:           {"PSA_ERROR_FLASH_ABUSE", "too many writes to the flash"},
	ErrInsufficientPower:    {"PSA_ERROR_INSUFFICIENT_POWER", "not enough power"},
	ErrOperationIncomplete:  {"PSA_OPERATION_INCOMPLETE", "not finished yet"},
}

// Name returns the name that the PSA headers give the status, or its number
// where they give it none.
func (s Status) Name() string {
	if t, ok := statusText[s]; ok {
		return t.name
	}
	return "PSA status " + strconv.Itoa(int(s))
}

// Error returns what the status means, with its PSA name and number.
func (s Status) Error() string {
	t, ok := statusText[s]
	if !ok {
		return s.Name()
	}
	return t.text + " (" + t.name + ", " + strconv.Itoa(int(s)) + ")"
}

// Err returns nil for success and for a service's own positive answers, and the
// status itself otherwise.
func (s Status) Err() error {
	if s >= 0 {
		return nil
	}
	return s
}
