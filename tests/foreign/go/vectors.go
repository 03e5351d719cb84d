package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
)

// checkEntries calls check with each entry of a file of vectors; it returns the number of entries, and in how many check found a
// difference.
func checkEntries(file string, check func(e record, data []byte) string) (count, differences int, err error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return
	}
	var entries []record
	from := json.NewDecoder(bytes.NewReader(text))
	from.UseNumber() // they reach 2^64 - 1
	if err = from.Decode(&entries); err != nil {
		return
	}
	for _, e := range entries {
		digits, _ := e["hex"].(string)
		data, err := hex.DecodeString(digits)
		difference := fmt.Sprint(err)
		if err == nil {
			difference = check(e, data)
		}
		if difference != "" {
			differences++
			fmt.Fprintln(os.Stderr, file, e["name"], e["why"], e["pixel_format"], difference)
		}
	}
	return len(entries), differences, nil
}

// both decodes data and compares the fields, and encodes the fields and compares the bytes.
func both(kind string, fields any, data []byte) string {
	got, err := decode(data, kind)
	if err != nil {
		return err.Error()
	}
	have, _ := json.Marshal(got) // members in the order of their names
	want, _ := json.Marshal(fields)
	if !bytes.Equal(have, want) {
		return fmt.Sprintf("decoded %s, not %s", have, want)
	} else if encoded := encode(nil, kind, fields); !bytes.Equal(encoded, data) {
		return fmt.Sprintf("encoded %x, not %x", encoded, data)
	}
	return ""
}

// checkImage makes an image of the test pattern, and looks at it, too.
func checkImage(e record, _ []byte) string {
	p, sequence := newPattern(number(e["code"]), number(e["width"])), number(e["sequence"])
	var image []byte
	for y := 0; len(image) < int(number(e["bytes"])); y++ {
		image = append(image, p.line(sequence, y)...)
	}
	image = image[:number(e["bytes"])]
	crc, digits := crc32.ChecksumIEEE(image), hex.EncodeToString(image)
	if !strings.HasPrefix(digits, e["first"].(string)) || uint64(crc) != number(e["crc32"]) || !p.matches(sequence, image) {
		return fmt.Sprintf("begins %.32s, CRC %d", digits, crc)
	} else if image[len(image)-1]++; p.matches(sequence, image) {
		return "a wrong byte is not seen"
	}
	return ""
}

func checkVectors(dir string) (map[string]int, error) {
	sender := map[any]string{"client to broker": "ToBroker", "broker to client": "FromBroker"}
	counts := map[string]int{"differences": 0}
	for name, check := range map[string]func(e record, data []byte) string{
		"messages": func(e record, data []byte) string { return both(sender[e["direction"]], e["message"], data) },
		"headers":  func(e record, data []byte) string { return both("FrameHeader", e["header"], data) },
		"refused": func(e record, data []byte) string {
			if _, err := decode(data, sender[e["direction"]]); (err != nil) != (e["code"] == "Malformed") {
				return fmt.Sprintf("decodes with %v, where %v is due", err, e["code"])
			}
			return ""
		},
		"pattern": checkImage,
	} {
		count, differences, err := checkEntries(filepath.Join(dir, name+".json"), check)
		if err != nil {
			return counts, err
		}
		counts[name] = count
		counts["differences"] += differences
	}
	return counts, nil
}
