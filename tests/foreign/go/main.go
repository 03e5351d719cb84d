// A framebroker subscriber in Go's standard library, with socket delivery, that verifies every byte of the test pattern. Written
// from protocol/PROTOCOL.md alone. With --vectors DIR it checks itself against the golden vectors instead.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
)

func main() {
	vectors := flag.String("vectors", "", "check the golden vectors in `DIR` instead")
	socket := flag.String("socket", "", "the broker's socket `PATH`")
	count := flag.Int("count", 0, "frames to receive; 0 for all")
	policy := flag.String("policy", "sequential", "sequential, latest, lossless or upcoming")
	maxHeld := flag.Int("max-held", 2, "frames to be granted at once, 1 to 64")
	hold := flag.Bool("hold", false, "hold the first frame until a line comes on standard input")
	obey := flag.Bool("obey", false, "obey lines on standard input: hold (the next frame, for ever), stop")
	flag.Parse()
	stream := flag.Arg(0)
	if stream != "" {
		flag.CommandLine.Parse(flag.Args()[1:]) // options may follow the stream
	}
	policies := map[string]string{"sequential": "Sequential", "latest": "Latest", "lossless": "Lossless", "upcoming": "Upcoming"}
	if flag.NArg() > 0 || (stream == "") == (*vectors == "") || policies[*policy] == "" || *hold && *obey || *maxHeld < 1 || *maxHeld > 64 {
		fmt.Fprintln(os.Stderr, "usage: subscriber --vectors DIR, or subscriber [--socket PATH] STREAM --count N [option…]")
		flag.PrintDefaults()
		os.Exit(2)
	}

	var result any
	var bad bool
	var err error
	if *vectors != "" {
		var counts map[string]int
		counts, err = checkVectors(*vectors)
		result, bad = counts, counts["differences"] > 0
	} else {
		s := &subscriber{objects: map[key]*object{}}
		if s.conn, err = connect(*socket); err == nil {
			err = s.run(record{"stream": stream, "policy": policies[*policy], "delivery": "Socket",
				"max_held": *maxHeld, "start": "Next"}, *count, *hold, *obey)
		}
		result, bad = s, s.Bad > 0
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	line, _ := json.Marshal(result)
	fmt.Printf("%s\n", line)
	if bad || err != nil && err != errClosed {
		os.Exit(1)
	}
}
