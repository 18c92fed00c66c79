package testenv

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
)

// BoltServer answers statements over Neo4j's Bolt protocol, 5.0, as far as a
// driver needs it that asks one thing after the other. It exists since the
// Enterprise edition cannot be fetched.
type BoltServer struct {
	// Password of the user neo4j; empty: nobody has to log in.
	Password string
	// Answer runs a statement and returns its columns and rows. Its errors are
	// *BoltError.
	Answer func(database, cypher string, params map[string]any) (fields []string, rows [][]any, err error)
}

// BoltError is what a server answers with.
type BoltError struct{ Code, Message string }

func (e *BoltError) Error() string { return e.Code + ": " + e.Message }

// The messages of the protocol, by their tags.
const (
	boltHello    = 0x01
	boltGoodbye  = 0x02
	boltReset    = 0x0f
	boltRun      = 0x10
	boltBegin    = 0x11
	boltCommit   = 0x12
	boltRollback = 0x13
	boltDiscard  = 0x2f
	boltPull     = 0x3f
	boltSuccess  = 0x70
	boltRecord   = 0x71
	boltIgnored  = 0x7e
	boltFailure  = 0x7f
)

// Serve answers until the listener is closed.
func (s *BoltServer) Serve(l net.Listener) error {
	for {
		conn, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		go func() {
			c := &boltConn{server: s, r: bufio.NewReader(conn), w: bufio.NewWriter(conn)}
			_ = c.serve() // the client has gone
			_ = conn.Close()
		}()
	}
}

type boltConn struct {
	server   *BoltServer
	r        *bufio.Reader
	w        *bufio.Writer
	database string // of the transaction
	rows     [][]any
	failed   bool // what comes is ignored until a reset
}

func (c *boltConn) serve() error {
	hello := make([]byte, 20)
	if _, err := io.ReadFull(c.r, hello); err != nil {
		return err
	}
	if _, err := c.w.Write([]byte{0, 0, 0, 5}); err != nil {
		return err
	}
	for {
		if err := c.w.Flush(); err != nil {
			return err
		}
		message, err := c.receive()
		if err != nil {
			return err
		}
		if done, err := c.handle(message); done || err != nil {
			return err
		}
	}
}

// receive reads one message: its tag, and its fields.
func (c *boltConn) receive() (boltStruct, error) {
	var body []byte
	for {
		var size uint16
		if err := binary.Read(c.r, binary.BigEndian, &size); err != nil {
			return boltStruct{}, err
		}
		if size == 0 {
			if len(body) == 0 { // keep-alive
				continue
			}
			break
		}
		chunk := make([]byte, size)
		if _, err := io.ReadFull(c.r, chunk); err != nil {
			return boltStruct{}, err
		}
		body = append(body, chunk...)
	}
	value, _, err := unpack(body)
	message, ok := value.(boltStruct)
	if err == nil && !ok {
		err = fmt.Errorf("%v is no message", value)
	}
	return message, err
}

func (c *boltConn) handle(m boltStruct) (done bool, err error) {
	field := func(i int) map[string]any {
		if i < len(m.fields) {
			if fields, ok := m.fields[i].(map[string]any); ok {
				return fields
			}
		}
		return map[string]any{}
	}
	if c.failed && m.tag != boltReset && m.tag != boltGoodbye {
		return false, c.send(boltIgnored)
	}
	switch m.tag {
	case boltGoodbye:
		return true, nil
	case boltReset:
		c.failed, c.rows = false, nil
	case boltHello:
		if c.server.Password != "" && (field(0)["principal"] != "neo4j" || field(0)["credentials"] != c.server.Password) {
			return false, c.fail(&BoltError{"Neo.ClientError.Security.Unauthorized", "The client is unauthorized due to authentication failure."})
		}
		return false, c.succeed(map[string]any{"server": "Neo4j/5.26.0", "connection_id": "bolt-1", "hints": map[string]any{}})
	case boltBegin:
		c.database, _ = field(0)["db"].(string)
	case boltRun:
		return false, c.run(m, field(1), field(2))
	case boltPull, boltDiscard:
		for _, row := range c.rows {
			if m.tag == boltPull {
				if err := c.send(boltRecord, row); err != nil {
					return false, err
				}
			}
		}
		c.rows = nil
	case boltCommit, boltRollback:
		c.database = ""
	default:
		return false, c.fail(&BoltError{"Neo.ClientError.Request.Invalid", fmt.Sprintf("message %#x", m.tag)})
	}
	return false, c.succeed(map[string]any{})
}

func (c *boltConn) run(m boltStruct, params, extra map[string]any) error {
	cypher, _ := m.fields[0].(string)
	database := c.database
	if name, ok := extra["db"].(string); ok {
		database = name
	}
	fields, rows, err := c.server.Answer(database, cypher, params)
	if err != nil {
		refused, ok := errors.AsType[*BoltError](err)
		if !ok {
			refused = &BoltError{"Neo.DatabaseError.General.UnknownError", err.Error()}
		}
		return c.fail(refused)
	}
	c.rows = rows
	names := make([]any, len(fields))
	for i, f := range fields {
		names[i] = f
	}
	return c.succeed(map[string]any{"fields": names})
}

func (c *boltConn) fail(e *BoltError) error {
	c.failed = true
	return c.send(boltFailure, map[string]any{"code": e.Code, "message": e.Message})
}

func (c *boltConn) succeed(meta map[string]any) error { return c.send(boltSuccess, meta) }

func (c *boltConn) send(tag byte, fields ...any) error {
	body, err := pack(nil, boltStruct{tag, fields})
	if err != nil {
		return err
	}
	if err := binary.Write(c.w, binary.BigEndian, uint16(len(body))); err != nil {
		return err
	}
	_, err = c.w.Write(append(body, 0, 0))
	return err
}

// boltStruct is a structure of PackStream, the encoding of Bolt.
type boltStruct struct {
	tag    byte
	fields []any
}

// pack appends a value: of the sizes that a stand-in needs, and no others.
func pack(out []byte, value any) (_ []byte, err error) {
	const small, large = 16, 1 << 16
	switch v := value.(type) {
	case nil:
		return append(out, 0xc0), nil
	case bool:
		if v {
			return append(out, 0xc3), nil
		}
		return append(out, 0xc2), nil
	case int64:
		return binary.BigEndian.AppendUint64(append(out, 0xcb), uint64(v)), nil
	case string:
		if len(v) >= large {
			return nil, errors.New("the string is too long")
		}
		return append(binary.BigEndian.AppendUint16(append(out, 0xd1), uint16(len(v))), v...), nil
	case []any:
		if len(v) >= large {
			return nil, errors.New("the list is too long")
		}
		out = binary.BigEndian.AppendUint16(append(out, 0xd5), uint16(len(v)))
		for _, item := range v {
			if out, err = pack(out, item); err != nil {
				return nil, err
			}
		}
		return out, nil
	case map[string]any:
		if len(v) >= small {
			return nil, errors.New("the map is too large")
		}
		out = append(out, 0xa0|byte(len(v)))
		for key, item := range v {
			if out, err = pack(out, key); err == nil {
				out, err = pack(out, item)
			}
			if err != nil {
				return nil, err
			}
		}
		return out, nil
	case boltStruct:
		out = append(out, 0xb0|byte(len(v.fields)), v.tag)
		for _, field := range v.fields {
			if out, err = pack(out, field); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	return nil, fmt.Errorf("a value of type %T", value)
}

// errShort says that a value ends before its end.
var errShort = errors.New("the message is cut off")

// unpack reads a value, and returns what follows it.
func unpack(in []byte) (value any, rest []byte, err error) {
	if len(in) == 0 {
		return nil, nil, errShort
	}
	marker, in := in[0], in[1:]
	number := func(bytes int) (uint64, error) {
		if len(in) < bytes {
			return 0, errShort
		}
		var n uint64
		for _, b := range in[:bytes] {
			n = n<<8 | uint64(b)
		}
		in = in[bytes:]
		return n, nil
	}
	sized := func(bytes int) (int, error) {
		n, err := number(bytes)
		return int(n), err
	}
	size := int(marker & 0x0f)
	switch {
	case marker == 0xc0:
		return nil, in, nil
	case marker == 0xc1:
		n, err := number(8)
		return math.Float64frombits(n), in, err
	case marker == 0xc2 || marker == 0xc3:
		return marker == 0xc3, in, nil
	case marker < 0x80 || marker >= 0xf0:
		return int64(int8(marker)), in, nil
	case marker >= 0xc8 && marker <= 0xcb:
		width := 1 << (marker - 0xc8)
		n, err := number(width)
		shift := 64 - 8*width
		return int64(n<<shift) >> shift, in, err
	case marker >= 0xd0 && marker <= 0xd2:
		if size, err = sized(1 << (marker - 0xd0)); err != nil {
			return nil, nil, err
		}
		return unpackString(in, size)
	case marker&0xf0 == 0x80:
		return unpackString(in, size)
	case marker >= 0xd4 && marker <= 0xd6:
		if size, err = sized(1 << (marker - 0xd4)); err != nil {
			return nil, nil, err
		}
		return unpackList(in, size)
	case marker&0xf0 == 0x90:
		return unpackList(in, size)
	case marker >= 0xd8 && marker <= 0xda:
		if size, err = sized(1 << (marker - 0xd8)); err != nil {
			return nil, nil, err
		}
		return unpackMap(in, size)
	case marker&0xf0 == 0xa0:
		return unpackMap(in, size)
	case marker&0xf0 == 0xb0 && len(in) > 0:
		fields, rest, err := unpackList(in[1:], size)
		list, _ := fields.([]any)
		return boltStruct{in[0], list}, rest, err
	}
	return nil, nil, fmt.Errorf("marker %#x", marker)
}

func unpackString(in []byte, size int) (any, []byte, error) {
	if len(in) < size {
		return nil, nil, errShort
	}
	return string(in[:size]), in[size:], nil
}

func unpackList(in []byte, size int) (any, []byte, error) {
	list := []any{}
	for range size {
		item, rest, err := unpack(in)
		if err != nil {
			return nil, nil, err
		}
		list, in = append(list, item), rest
	}
	return list, in, nil
}

func unpackMap(in []byte, size int) (any, []byte, error) {
	all := map[string]any{}
	for range size {
		key, rest, err := unpack(in)
		if err != nil {
			return nil, nil, err
		}
		item, rest, err := unpack(rest)
		if err != nil {
			return nil, nil, err
		}
		all[fmt.Sprint(key)], in = item, rest
	}
	return all, in, nil
}
