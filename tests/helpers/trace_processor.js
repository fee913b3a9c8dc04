// Perfetto's trace processor, in the build that its user interface runs in a browser's worker: `node trace_processor.js
// FOLDER`, with the folder of engine_bundle.js. Requests of its protocol from stdin, answers to stdout.
const fs = require("fs"), path = require("path"), vm = require("vm");
const folder = process.argv[2], {stdin} = process;

globalThis.self = globalThis;
globalThis.process = undefined; // it refuses to run where it sees Node
globalThis.location = {href: "http://worker/"};
globalThis.WorkerGlobalScope = Object;
globalThis.XMLHttpRequest = class {
  open(method, url) { this.url = url; }
  send() { this.response = new Uint8Array(fs.readFileSync(path.join(folder, path.basename(this.url)))).buffer; }
};
console.log = console.warn = console.error;

const port = {postMessage: (answer) => fs.writeSync(1, answer)};
vm.runInThisContext(fs.readFileSync(path.join(folder, "engine_bundle.js"), "utf8"));
self.onmessage({data: port});
stdin.on("data", (request) => port.onmessage({data: new Uint8Array(request)}));
