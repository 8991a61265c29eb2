// Gin in release mode, with no middleware.
package main

import (
	"io"
	"log"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"
)

const contentType = "text/plain; charset=utf-8"

var (
	hello = []byte("Hello, World!")
	large = []byte(strings.Repeat("x", 1<<20))
)

func main() {
	threads, err := strconv.Atoi(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	runtime.GOMAXPROCS(threads)
	gin.SetMode(gin.ReleaseMode)
	router := gin.New()
	router.GET("/", text(hello))
	router.GET("/16k", text(large[:16<<10]))
	router.GET("/1m", text(large))
	router.POST("/upload", func(c *gin.Context) {
		if _, err := io.Copy(io.Discard, c.Request.Body); err != nil {
			c.AbortWithStatus(http.StatusBadRequest)
			return
		}
		text(hello)(c)
	})
	log.Fatal(router.Run(os.Args[1]))
}

func text(body []byte) gin.HandlerFunc {
	length := strconv.Itoa(len(body))
	return func(c *gin.Context) {
		c.Header("Content-Length", length)
		c.Data(http.StatusOK, contentType, body)
	}
}
