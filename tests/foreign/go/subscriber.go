package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"
)

// A key names a segment's object; an object is a mapping of it.
type key struct{ index, backing uint64 }
type object struct {
	data []byte
	held int  // frames in it that this program holds
	gone bool // no new frame comes in it: unmap it when none is held
}

// A frame is held until it is released.
type frame struct {
	subscription, context uint64
	key                   key
	object                *object
	header                record
}

type subscriber struct {
	conn    *net.UnixConn
	objects map[key]*object
	pattern *pattern
	last    uint64 // sequence
	Frames  int    `json:"frames"`
	Bad     int    `json:"bad"`
	Lost    uint64 `json:"lost"`
}

// connect finds the broker.
func connect(given string) (*net.UnixConn, error) {
	if given == "" {
		given = os.Getenv("FRAMEBROKER_SOCKET")
	}
	paths := []string{given}
	if given == "" {
		paths = []string{"/run/framebroker/broker.sock", fmt.Sprintf("/tmp/framebroker-%d/broker.sock", os.Geteuid())}
		if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
			paths = append([]string{dir + "/framebroker.sock"}, paths...)
		}
	}
	tried := "no broker found"
	for _, path := range paths {
		conn, err := net.DialUnix("unixpacket", nil, &net.UnixAddr{Name: path, Net: "unixpacket"})
		if err == nil {
			if err = checkServer(conn); err == nil {
				return conn, nil
			}
			conn.Close()
		}
		tried += fmt.Sprintf("\n  %s: %v", path, err)
	}
	return nil, errors.New(tried)
}

// checkServer asks the kernel who serves: a path does not prove it.
func checkServer(conn *net.UnixConn) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var server *syscall.Ucred
	if e := raw.Control(func(fd uintptr) {
		server, err = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	}); e != nil {
		return e
	}
	if err == nil && server.Uid != 0 && int(server.Uid) != os.Geteuid() {
		return fmt.Errorf("user %d serves there", server.Uid)
	}
	return err
}

// say sends a message. Where the session is over that is no error: hear tells why.
func (s *subscriber) say(id int, request any) error {
	_, err := s.conn.Write(encode(nil, "ToBroker", record{"id": id, "body": request}))
	if errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) {
		return nil
	}
	return err
}

// A message came from the broker. Whoever takes it closes its descriptors; with an error there are none.
type message struct {
	name   string
	fields record
	fds    []int
	err    error
}

func (s *subscriber) hear() (m message) {
	data, control := make([]byte, 65536), make([]byte, syscall.CmsgSpace(4*64))
	n, c, flags, _, err := s.conn.ReadMsgUnix(data, control) // Go adds MSG_CMSG_CLOEXEC
	if errors.Is(err, syscall.ECONNRESET) {
		n, c, flags, _, err = s.conn.ReadMsgUnix(data, control) // the reason may still be there
	}
	if errors.Is(err, io.EOF) {
		err = errors.New("the broker is gone")
	}
	if err != nil {
		return message{err: err}
	}
	items, _ := syscall.ParseSocketControlMessage(control[:c])
	for i := range items {
		fds, _ := syscall.ParseUnixRights(&items[i])
		m.fds = append(m.fds, fds...)
	}
	var r record
	if flags&(syscall.MSG_TRUNC|syscall.MSG_CTRUNC) != 0 {
		m.err = errors.New("message or descriptors cut off")
	} else if r, m.err = decode(data[:n], "FromBroker"); m.err == nil {
		var carried any
		m.name, carried = variant(r["body"])
		m.fields, _ = carried.(record)
	}
	if m.name == "Error" {
		m.err = fmt.Errorf("%v: %v", m.fields["code"], m.fields["text"])
	} else if m.err == nil && len(m.fds) > 0 && m.name != "Subscribed" && m.name != "SegmentsAdded" {
		m.err = fmt.Errorf("%s with descriptors", m.name)
	}
	if m.err != nil {
		closeAll(m.fds)
	}
	return m
}

func closeAll(fds []int) {
	for _, fd := range fds {
		syscall.Close(fd)
	}
}

// mapSegments maps the segments of Subscribed or SegmentsAdded and closes all descriptors.
func (s *subscriber) mapSegments(segments []any, fds []int) error {
	defer closeAll(fds)
	for _, item := range segments {
		segment := item.(record)
		at := key{number(segment["index"]), number(segment["backing"])}
		path, size := segment["path"].(string), number(segment["bytes"])
		var fd int
		if path != "" {
			var err error
			if fd, err = syscall.Open(path, syscall.O_NOFOLLOW|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0); err == syscall.ENOENT {
				continue // given up since: its SegmentRemoved is on its way
			} else if err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
			defer syscall.Close(fd)
		} else if len(fds) > 0 {
			fd, fds = fds[0], fds[1:]
		} else {
			return errors.New("fewer descriptors than segments")
		}
		if err := checkObject(fd, path != "", size); err != nil {
			return fmt.Errorf("segment %v: %w", at, err)
		}
		data, err := syscall.Mmap(fd, 0, int(size), syscall.PROT_READ, syscall.MAP_SHARED)
		if err != nil {
			return fmt.Errorf("segment %v: mmap: %w", at, err)
		}
		for old := range s.objects {
			if old.index == at.index {
				s.drop(old) // replaced
			}
		}
		s.objects[at] = &object{data: data}
	}
	if len(fds) > 0 {
		return errors.New("more descriptors than segments")
	}
	return s.say(0, "Mapped")
}

// checkObject makes sure that touching the mapping cannot fault, and that nobody but the broker writes it (which a named object
// does not promise).
func checkObject(fd int, named bool, size uint64) error {
	const getSeals, sealed = 1034, 0x17 // F_GET_SEALS; seal, shrink, grow and future write
	var stat syscall.Stat_t
	if err := syscall.Fstat(fd, &stat); err != nil {
		return err
	} else if size == 0 || size > uint64(stat.Size) {
		return fmt.Errorf("an object of %d bytes where %d are to be mapped", stat.Size, size)
	} else if named {
		if stat.Mode&syscall.S_IFMT != syscall.S_IFREG || int(stat.Uid) != os.Geteuid() {
			return errors.New("not a regular file of this user")
		}
		return nil
	}
	if seals, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), getSeals, 0); errno != 0 || seals&sealed != sealed {
		return fmt.Errorf("seals 0x%x (%v) where 0x%x are needed", seals, errno, sealed)
	}
	return nil
}

// drop unmaps an object as soon as no frame in it is held.
func (s *subscriber) drop(k key) {
	if o := s.objects[k]; o != nil {
		if o.gone = true; o.held == 0 {
			syscall.Munmap(o.data)
			delete(s.objects, k)
		}
	}
}

// take makes a frame of a Frame message.
func (s *subscriber) take(m record) (*frame, error) {
	f := &frame{subscription: number(m["subscription"]), header: m["header"].(record)}
	f.context = number(f.header["context"])
	f.key = key{f.context & 0xffff, number(m["backing"])}
	if f.object = s.objects[f.key]; f.object == nil {
		return nil, fmt.Errorf("frame %d lies in an unknown segment", f.context)
	}
	mapped := uint64(len(f.object.data))
	for _, part := range []string{"payload", "chunk"} {
		if offset, size := number(f.header[part+"_offset"]), number(f.header[part+"_bytes"]); offset > mapped || size > mapped-offset {
			return nil, fmt.Errorf("the %s of frame %d lies outside its segment", part, f.context)
		}
	}
	f.object.held++
	return f, nil
}

func (s *subscriber) release(f *frame) error {
	if f.object.held--; f.object.gone {
		s.drop(f.key)
	}
	return s.say(0, record{"Release": record{"subscription": f.subscription, "context": f.context}})
}

// verify compares every byte of a frame with the test pattern.
func (s *subscriber) verify(f *frame) {
	offset, size := number(f.header["payload_offset"]), number(f.header["payload_bytes"])
	format, width, height := number(f.header["pixel_format"]), number(f.header["width"]), number(f.header["height"])
	good := size == (width*height*(format>>16&255)+7)/8 && width <= 8*size // else a table might have no bounds
	if good {
		if s.pattern == nil || s.pattern.format != format || s.pattern.width != width {
			s.pattern = newPattern(format, width)
		}
		good = s.pattern.matches(f.context>>16, f.object.data[offset:offset+size])
	}
	if !good {
		s.Bad++
	}
}

var errClosed = errors.New("the stream has ended")

// handle acts upon a message; a frame it returns.
func (s *subscriber) handle(m message) (*frame, error) {
	if m.err != nil {
		return nil, m.err
	}
	switch m.name {
	case "Welcome": // the socket may now be silent for long: the ring may have to grow, the source may be away
		return nil, s.conn.SetReadDeadline(time.Time{})
	case "Subscribed":
		s.last = number(m.fields["first"]) - 1
		return nil, s.mapSegments(m.fields["segments"].([]any), m.fds)
	case "SegmentsAdded":
		return nil, s.mapSegments(m.fields["segments"].([]any), m.fds)
	case "SegmentRemoved":
		s.drop(key{number(m.fields["index"]), number(m.fields["backing"])})
	case "Frame":
		return s.take(m.fields)
	case "Offline", "Online", "Demoted":
		fmt.Fprintln(os.Stderr, m.name, m.fields["reason"])
	case "Evicted":
		return nil, fmt.Errorf("evicted: %v", m.fields["reason"])
	case "Closed":
		return nil, errClosed
	}
	return nil, nil
}

// run receives count frames, or where count is 0 all until the stream ends. With hold it keeps the first until a line comes on
// standard input, with obey it does what lines there say.
func (s *subscriber) run(subscribe record, count int, hold, obey bool) error {
	s.conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	if err := s.say(1, record{"Hello": record{"version": 1, "name": "go-subscriber", "roles": 1}}); err != nil {
		return err
	}
	if err := s.say(2, record{"Subscribe": subscribe}); err != nil {
		return err
	}
	messages := make(chan message)
	go func() {
		for m := (message{}); m.err == nil; messages <- m {
			m = s.hear()
		}
	}()

	var ended error // of the session; what is held stays readable all the same
	var held *frame
	var waiting []*frame
	stopped, lines := false, make(chan string)
	read := func() {
		for in := bufio.NewScanner(os.Stdin); in.Scan(); {
			lines <- in.Text()
		}
		close(lines)
	}
	if obey {
		go read()
	}
	for held != nil || ended == nil && !stopped && (count == 0 || s.Frames < count) {
		select { // reads on while a frame is held: the broker ends the session of a client that does not
		case m := <-messages:
			f, err := s.handle(m)
			if err != nil {
				ended, messages = err, nil
			} else if f != nil {
				waiting = append(waiting, f)
			}
		case line, ok := <-lines:
			if stopped = obey && (line == "stop" || !ok); !ok {
				lines = nil
			}
			hold = hold || obey && line == "hold"
			if held != nil && (stopped || !obey) {
				s.verify(held)
				if err := s.release(held); err != nil {
					return err
				}
				held = nil
			}
		}
		for ; held == nil && len(waiting) > 0 && (count == 0 || s.Frames < count); waiting = waiting[1:] {
			f := waiting[0]
			s.Frames++
			s.verify(f)
			if sequence := f.context >> 16; sequence > s.last {
				s.Lost += sequence - s.last - 1
				s.last = sequence
			} else {
				s.Bad++
			}
			if hold {
				counts, _ := json.Marshal(s)
				fmt.Printf("holding %d %s\n", f.context, counts)
				hold, held = false, f
				if !obey {
					go read()
				}
			} else if err := s.release(f); err != nil {
				return err
			}
		}
	}
	for _, f := range waiting {
		s.release(f)
	}
	return ended
}
