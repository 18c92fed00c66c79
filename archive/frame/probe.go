package frame

// compressible looks at a few places of a chunk and tells whether trying to
// compress it is worth the time. It errs on the side of trying: only bytes
// whose values are as evenly spread as noise's are given up, and a chunk is
// given up only if every sample is.
//
// The measure is the sum of the squares of the byte counts. n evenly random
// bytes give n + n(n-1)/256 on average; text, code and database pages give
// several times that, and even base64 of noise gives four times that.
func compressible(chunk []byte) bool {
	if len(chunk) < 4*probeBytes {
		return true
	}
	step := (len(chunk) - probeBytes) / (probes - 1)
	for i := range probes {
		if !noisy(chunk[i*step:][:probeBytes]) {
			return true
		}
	}
	return false
}

const (
	probes     = 16
	probeBytes = 4096
	// probeNoise is 1.06 times the mean for noise; its standard deviation
	// for 4,096 bytes is under 0.6 % of the mean.
	probeNoise = (probeBytes + probeBytes*(probeBytes-1)/256) * 106 / 100
)

func noisy(sample []byte) bool {
	var count [256]uint32
	for _, b := range sample {
		count[b]++
	}
	var sum uint32
	for _, c := range count {
		sum += c * c
	}
	return sum <= probeNoise
}
