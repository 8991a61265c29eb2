// Go's net/http, without its router.
package main

import (
	"bytes"
	"io"
	"log"
	"net/http"
	"os"
	"runtime"
	"strconv"
)

var (
	hello       = []byte("Hello, World!")
	large       = bytes.Repeat([]byte("x"), 1<<20)
	contentType = []string{"text/plain; charset=utf-8"}
)

func main() {
	threads, err := strconv.Atoi(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	runtime.GOMAXPROCS(threads)
	log.Fatal(http.ListenAndServe(os.Args[1], http.HandlerFunc(answer)))
}

func answer(w http.ResponseWriter, r *http.Request) {
	body := hello
	switch r.URL.Path {
	case "/16k":
		body = large[:16<<10]
	case "/1m":
		body = large
	case "/upload":
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
	}
	header := w.Header()
	header["Content-Type"] = contentType
	header["Content-Length"] = []string{strconv.Itoa(len(body))}
	w.Write(body)
}
