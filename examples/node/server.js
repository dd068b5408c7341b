// A node server on the socket that it inherits as descriptor 3.
const http = require('http');

const server = http.createServer((request, response) => {
  response.end(`hello from worker ${process.env.GONICORN_WORKER_ID}, pid ${process.pid}\n`);
});
server.listen({ fd: 3 });

// TERM: finish what is in hand, take nothing more.
process.on('SIGTERM', () => {
  server.close(() => process.exit(0));
  server.closeIdleConnections();
});
