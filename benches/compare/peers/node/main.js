// Node's http module; where there is more than one thread, a cluster of that many processes.
'use strict';

const cluster = require('node:cluster');
const http = require('node:http');

const [host, port, threads] = process.argv.slice(2);
const hello = Buffer.from('Hello, World!');
const large = Buffer.alloc(1 << 20, 'x');
const bodies = { '/16k': large.subarray(0, 16 << 10), '/1m': large };

function send(response, body) {
  if (response.shouldKeepAlive) {
    response.removeHeader('Connection'); // Kept alive all the same: that is what HTTP/1.1 says without it.
  }
  response.writeHead(200, { 'Content-Type': 'text/plain; charset=utf-8', 'Content-Length': body.length });
  response.end(body);
}

function answer(request, response) {
  if (request.url === '/upload') {
    request.resume().on('end', () => send(response, hello));
  } else {
    send(response, bodies[request.url] ?? hello);
  }
}

if (cluster.isPrimary && Number(threads) > 1) {
  for (let i = 0; i < Number(threads); i += 1) {
    cluster.fork();
  }
} else {
  http.createServer({ noDelay: true }, answer).listen({ host, port: Number(port), backlog: 4096 });
}
