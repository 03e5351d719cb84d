package main

import (
	"bytes"
)

// A layout is what the test pattern asks of a format: channels, the bytes of each, and how many of its bits are significant.
type layout struct{ channels, container, bits int }

// The unpacked formats of vectors/pixel_formats.json.
var unpacked = map[layout][]uint64{
	{1, 1, 8}:  {0x01080001, 0x01080008, 0x01080009, 0x0108000a, 0x0108000b}, // Mono8, Bayer..8
	{1, 2, 10}: {0x01100003, 0x0110000c, 0x0110000d, 0x0110000e, 0x0110000f},
	{1, 2, 12}: {0x01100005, 0x01100010, 0x01100011, 0x01100012, 0x01100013},
	{1, 2, 16}: {0x01100007, 0x0110002e, 0x0110002f, 0x01100030, 0x01100031},
	{3, 1, 8}:  {0x02180014, 0x02180015}, // RGB8, BGR8
	{4, 1, 8}:  {0x02200016, 0x02200017}, // RGBa8, BGRa8
	{3, 2, 16}: {0x02300033},             // RGB16
}

func layoutOf(format uint64) layout {
	for is, codes := range unpacked {
		for _, code := range codes {
			if code == format {
				return is
			}
		}
	}
	return layout{}
}

// A pattern is the test pattern of one format and width: a row that is 255 pixels longer than the image's rows, of which
// each row of an image is a part.
type pattern struct {
	format, width uint64
	table         []byte
	pixel, row    int // bytes
}

func newPattern(format, width uint64) *pattern {
	is, columns := layoutOf(format), int(width)
	if is == (layout{}) { // bytes count on from row to row, as in a Mono8 image of 65537 columns
		is, columns = layout{1, 1, 8}, 65537
	}
	p := &pattern{format: format, width: width, pixel: is.channels * is.container}
	p.row = columns * p.pixel
	p.table = make([]byte, 0, p.row+255*p.pixel)
	for x := 0; x < columns+255; x++ {
		for channel := 0; channel < is.channels; channel++ {
			t := (x + 85*channel) & 255
			value := t<<(is.bits-8) | t>>(16-is.bits)
			p.table = append(p.table, byte(value), byte(value>>8))[:len(p.table)+is.container]
		}
	}
	return p
}

// line is the expected row y of the frame with this sequence.
func (p *pattern) line(sequence uint64, y int) []byte {
	start := int((17*sequence+uint64(y))&255) * p.pixel
	return p.table[start : start+p.row]
}

func (p *pattern) matches(sequence uint64, image []byte) bool {
	for y := 0; len(image) > 0; y++ {
		line := p.line(sequence, y)
		if len(line) > len(image) {
			line = line[:len(image)]
		}
		if !bytes.Equal(image[:len(line)], line) {
			return false
		}
		image = image[len(line):]
	}
	return true
}
