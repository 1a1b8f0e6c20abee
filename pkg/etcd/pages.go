// Copyright The Steppe Authors.
// SPDX-License-Identifier: Apache-2.0

package etcd

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"os"
)

// The pages of a bbolt file, https://github.com/etcd-io/bbolt: each begins with its
// number, its kind, how many elements it has, and how many pages it continues over.
// Two meta pages at the start take turns in holding the root of what was committed.
const (
	pageHeader    = 16
	pageElement   = 16
	bucketHeader  = 16
	metaLength    = 64 // with its checksum in the last 8 bytes
	metaMagic     = 0xED0CDAED
	metaVersion   = 2
	kindBranch    = 0x01
	kindLeaf      = 0x02
	kindFreelist  = 0x10
	elementBucket = 0x01
	noFreelist    = ^uint64(0)
	maxPageSize   = 64 << 10
	maxPageDepth  = 64 // of a tree; ten levels hold more than any disk
)

// errPages says that the pages of a file do not form a database.
var errPages = errors.New("the database is broken")

// checkDatabase walks over all pages of the database in a file, and fails with
// errPages if they do not form one. bbolt and etcd end the process where they come
// across such pages, some by a memory fault, and none of it can be recovered from.
// They read the whole file at start as well, so that it costs little to do so first.
func checkDatabase(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	w := &pageWalk{file: file, size: uint64(info.Size())}
	if err := w.walk(); err != nil {
		var trouble *fs.PathError // of the disk
		if errors.As(err, &trouble) {
			return err
		}
		return fmt.Errorf("%s: %w: %w", path, errPages, err)
	}
	return nil
}

// pageWalk is a walk over the pages of one file.
type pageWalk struct {
	file     io.ReaderAt
	size     uint64
	pageSize uint64
	end      uint64 // the number after that of the last page
	seen     []bool // by page number
}

func (w *pageWalk) walk() error {
	root, freelist, err := w.readMeta()
	if err != nil {
		return err
	}
	if w.end > w.size/w.pageSize {
		return fmt.Errorf("it has %d bytes, and lacks what comes after: it should have %d pages of %d bytes", w.size, w.end, w.pageSize)
	}
	w.seen = make([]bool, w.end)
	if freelist != noFreelist {
		if page, err := w.readPage(freelist); err != nil {
			return err
		} else if kind := kindOf(page); kind != kindFreelist {
			return fmt.Errorf("page %d is of kind %#x and no list of free pages", freelist, kind)
		}
	}
	return w.walkTree(root, nil, nil, 0)
}

// readMeta finds the meta page of the last commit, and returns the pages of the root
// and of the list of free pages.
func (w *pageWalk) readMeta() (root, freelist uint64, err error) {
	var last uint64
	try := func(offset uint64) {
		page := make([]byte, pageHeader+metaLength)
		if _, err := w.file.ReadAt(page, int64(offset)); err != nil {
			return // too short, which is no meta page either
		}
		meta, native := page[pageHeader:], binary.NativeEndian
		sum := fnv.New64a()
		_, _ = sum.Write(meta[:metaLength-8])
		size := uint64(native.Uint32(meta[8:]))
		if native.Uint32(meta) != metaMagic || native.Uint32(meta[4:]) != metaVersion || native.Uint64(meta[metaLength-8:]) != sum.Sum64() ||
			size < pageHeader+metaLength || size > maxPageSize || offset != 0 && offset != size {
			return
		}
		if txid := native.Uint64(meta[48:]); w.pageSize == 0 || txid > last {
			last, w.pageSize = txid, size
			root, freelist, w.end = native.Uint64(meta[16:]), native.Uint64(meta[32:]), native.Uint64(meta[40:])
		}
	}
	try(0)
	for offset := uint64(1024); offset <= maxPageSize; offset *= 2 {
		try(offset)
	}
	if w.pageSize == 0 {
		return 0, 0, errors.New("neither of its meta pages is valid")
	}
	return root, freelist, nil
}

// readPage reads a page with all it continues over, each of which must belong to
// nothing else.
func (w *pageWalk) readPage(number uint64) ([]byte, error) {
	if number < 2 || number >= w.end {
		return nil, fmt.Errorf("there is no page %d, which another one refers to", number)
	}
	header := make([]byte, pageHeader)
	if _, err := w.file.ReadAt(header, int64(number*w.pageSize)); err != nil {
		return nil, err
	}
	if is := binary.NativeEndian.Uint64(header); is != number {
		return nil, fmt.Errorf("page %d says that it is page %d", number, is)
	}
	pages := uint64(binary.NativeEndian.Uint32(header[12:])) + 1
	if pages > w.end-number {
		return nil, fmt.Errorf("page %d continues past the end", number)
	}
	for n := number; n < number+pages; n++ {
		if w.seen[n] {
			return nil, fmt.Errorf("page %d is used twice", n)
		}
		w.seen[n] = true
	}
	page := make([]byte, pages*w.pageSize)
	_, err := w.file.ReadAt(page, int64(number*w.pageSize))
	return page, err
}

func kindOf(page []byte) uint16 { return binary.NativeEndian.Uint16(page[8:]) }

// walkTree checks the pages from one on down. Its keys must be in order, from least
// on, and before limit; nil means that there is no bound.
func (w *pageWalk) walkTree(number uint64, least, limit []byte, depth int) error {
	if depth > maxPageDepth {
		return fmt.Errorf("page %d lies deeper than any can", number)
	}
	page, err := w.readPage(number)
	if err != nil {
		return err
	}
	kind := kindOf(page)
	if kind != kindBranch && kind != kindLeaf {
		return fmt.Errorf("page %d is of kind %#x, and neither branch nor leaf", number, kind)
	}
	count := int(binary.NativeEndian.Uint16(page[10:]))
	if kind == kindBranch && count == 0 || pageHeader+count*pageElement > len(page) {
		return fmt.Errorf("page %d cannot have %d elements", number, count)
	}
	for i := range count {
		key, value, child, err := element(page, kind, i)
		if err != nil {
			return fmt.Errorf("page %d: %w", number, err)
		}
		if i > 0 && bytes.Compare(least, key) >= 0 || i == 0 && bytes.Compare(least, key) > 0 || limit != nil && bytes.Compare(key, limit) >= 0 {
			return fmt.Errorf("page %d has its keys out of order", number)
		}
		least = key
		switch {
		case kind == kindBranch:
			next := limit
			if i+1 < count {
				if next, _, _, err = element(page, kind, i+1); err != nil {
					return fmt.Errorf("page %d: %w", number, err)
				}
			}
			if err := w.walkTree(child, key, next, depth+1); err != nil {
				return err
			}
		case child == elementBucket:
			if len(value) < bucketHeader {
				return fmt.Errorf("page %d has a bucket that is cut short", number)
			}
			// Small ones have no page of their own.
			if root := binary.NativeEndian.Uint64(value); root != 0 {
				if err := w.walkTree(root, nil, nil, depth+1); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// element returns an element of a page, and the page it refers to, or its flags on a
// leaf.
func element(page []byte, kind uint16, i int) (key, value []byte, child uint64, _ error) {
	native, at := binary.NativeEndian, uint64(pageHeader+i*pageElement)
	header := page[at : at+pageElement]
	var start, keyLength, valueLength uint64
	if kind == kindBranch {
		start, keyLength, child = uint64(native.Uint32(header)), uint64(native.Uint32(header[4:])), native.Uint64(header[8:])
	} else {
		child, start = uint64(native.Uint32(header)), uint64(native.Uint32(header[4:]))
		keyLength, valueLength = uint64(native.Uint32(header[8:])), uint64(native.Uint32(header[12:]))
	}
	start += at
	if start+keyLength+valueLength > uint64(len(page)) {
		return nil, nil, 0, fmt.Errorf("element %d lies outside of it", i)
	}
	return page[start : start+keyLength], page[start+keyLength : start+keyLength+valueLength], child, nil
}
