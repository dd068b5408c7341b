// A node server as a worker of gonicorn: it listens where it is told, and
// finishes what it has in flight when it is told to go.
'use strict';

const http = require('node:http');

const worker = process.env.GONICORN_WORKER_ID ?? '?';
let requests = 0;

const server = http.createServer((request, response) => {
  requests += 1;
  response.end(`Hello from node: worker ${worker}, pid ${process.pid}, request ${requests}\n`);
});

// Behind the gateway every worker has a unix socket and a port of its own, and
// takes either. Nobody else needs to reach them.
server.listen(process.env.GONICORN_SOCKET ?? { port: Number(process.env.PORT ?? 8000), host: '127.0.0.1' });

process.on('SIGTERM', () => {
  server.close(() => process.exit(0)); // idle connections are closed, busy ones awaited
  server.closeIdleConnections();
});
