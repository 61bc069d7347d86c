// SPDX-License-Identifier: Apache-2.0
// The package `ws` as a server that sends back what it gets, and as a client that asks for that.
//
//     websockets.js serve PORT
//     websockets.js ask ADDRESS        prints a line of JSON: what came back, what was agreed on, and how it ended
'use strict';
const crypto = require('crypto');
const { WebSocket, WebSocketServer } = require('ws');

const SIZES = [0, 1, 125, 126, 65535, 65536, 1000000];

function serve(port) {
  const server = new WebSocketServer({ port: port, host: '::', perMessageDeflate: { threshold: 1000 },
                                       handleProtocols: (offered) => (offered.has('echo') ? 'echo' : false) });
  server.on('connection', (socket, request) => {
    socket.send(JSON.stringify({ url: request.url, from: request.headers['x-forwarded-for'], host: request.headers.host }));
    socket.on('message', (data, binary) => {
      if (!binary && data.toString() === 'close') {
        socket.close(4001, 'as you wish');
      } else {
        socket.send(data, { binary });
      }
    });
  });
}

// One connection: `most` messages at a time may be on their way.
function talk(address, options, then) {
  const socket = new WebSocket(`ws://${address}/socket/?a=b`, ['other', 'echo'], options);
  const told = { sizes: [], wrong: 0, pongs: 0 };
  const waits = [];
  const next = () => {
    if (told.sizes.length === SIZES.length) {
      socket.ping('?');
    } else {
      const data = crypto.randomBytes(SIZES[told.sizes.length]);
      waits.push(data);
      if (data.length > 1000) { // in several frames
        socket.send(data.subarray(0, 1000), { binary: true, fin: false });
        socket.send(data.subarray(1000), { binary: true, fin: true });
      } else {
        socket.send(data);
      }
    }
  };
  socket.once('message', (hello) => {
    told.hello = JSON.parse(hello);
    told.protocol = socket.protocol;
    told.extensions = socket.extensions;
    socket.on('message', (data) => {
      const sent = waits.shift();
      told.wrong += !sent.equals(data);
      told.sizes.push(data.length);
      next();
    });
    next();
  });
  socket.on('pong', (data) => {
    told.pongs += data.toString() === '?';
    socket.send('close');
  });
  socket.on('error', (error) => { told.error = String(error); });
  socket.on('close', (code, reason) => {
    told.code = code;
    told.reason = reason.toString();
    then(told);
  });
}

if (process.argv[2] === 'serve') {
  serve(Number(process.argv[3]));
} else {
  talk(process.argv[3], {}, (compressed) => {
    talk(process.argv[3], { perMessageDeflate: false }, (plain) => console.log(JSON.stringify([compressed, plain])));
  });
}
