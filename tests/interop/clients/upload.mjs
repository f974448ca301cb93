// Posts to a URL with Node's own fetch or with axios, and prints the answer: `node upload.mjs HOW URL WHAT...`.
//
// HOW says which client sends which body. WHAT is, of a form, the list of its parts in JSON; of a bare file, its path
// and its type. Packages are loaded by those who need them, as that takes longer than an upload.

import { createReadStream, openAsBlob } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { Readable } from "node:stream";

const [how, url, ...what] = process.argv.slice(2);

// A form of the standard's class: fields are text, or a Blob where they have a type; files are read when sent.
async function standardForm(parts) {
  const form = new FormData();
  for (const { name, text, path, filename, type } of parts) {
    if (path) form.append(name, await openAsBlob(path, { type }), filename);
    else form.append(name, type ? new Blob([text], { type }) : text);
  }
  return form;
}

// A form of the package that axios uses where there is no FormData; it streams its files.
async function packageForm(parts) {
  const { default: NodeFormData } = await import("form-data");
  const form = new NodeFormData();
  for (const { name, text, path, filename, type } of parts) {
    if (path) form.append(name, createReadStream(path), { filename, contentType: type });
    else form.append(name, text, type ? { contentType: type } : undefined);
  }
  return form;
}

async function byFetch(options) {
  const answer = await fetch(url, options);
  return { status: answer.status, body: await answer.text() };
}

async function byAxios(method, data, headers = {}) {
  const { default: axios } = await import("axios");
  const answer = await axios.request({
    url, method, data, headers, proxy: false, maxRedirects: 0, maxBodyLength: Infinity, maxContentLength: Infinity,
    responseType: "text", transformResponse: (text) => text, validateStatus: () => true,
  });
  return { status: answer.status, body: answer.data };
}

const ways = {
  fetch: async () => byFetch({ method: "POST", body: await standardForm(JSON.parse(what[0])) }),
  axios: async () => byAxios("POST", await standardForm(JSON.parse(what[0]))),
  "axios-form-data": async () => byAxios("POST", await packageForm(JSON.parse(what[0]))),
  "fetch-buffer": async () =>
    byFetch({ method: "PUT", body: await readFile(what[0]), headers: { "Content-Type": what[1] } }),
  // A stream has no length: it goes out in chunks.
  "fetch-stream": async () =>
    byFetch({
      method: "POST", duplex: "half", headers: { "Content-Type": what[1] },
      body: Readable.toWeb(createReadStream(what[0])),
    }),
  "axios-buffer": async () => byAxios("PUT", await readFile(what[0]), { "Content-Type": what[1] }),
  "axios-stream": async () =>
    byAxios("POST", createReadStream(what[0]), {
      "Content-Type": what[1], "Content-Length": String((await stat(what[0])).size),
    }),
};

console.log(JSON.stringify(await ways[how]()));
