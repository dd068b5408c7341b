require('http').createServer((q, s) => s.end('hello')).listen(process.env.PORT, '127.0.0.1')
