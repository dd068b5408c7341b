// A node server as a worker of gonicorn: it listens on the socket that it
// inherits and finishes what it has in hand when it is told to go.
'use strict';

const http = require('node:http');

const worker = process.env.GONICORN_WORKER_ID ?? '?';
let requests = 0;

const server = http.createServer((request, response) => {
  requests += 1;
  response.end(`Hello from node: worker ${worker}, pid ${process.pid}, request ${requests}\n`);
});

// sd_listen_fds(3): sockets come as descriptor 3 and up, for this process only.
const inherited = process.env.LISTEN_FDS && process.env.LISTEN_PID === String(process.pid);
server.listen(inherited ? { fd: 3 } : { port: Number(process.env.PORT ?? 8000) });

process.on('SIGTERM', () => {
  server.close(() => process.exit(0)); // idle connections are closed, busy ones awaited
  server.closeIdleConnections();
});
