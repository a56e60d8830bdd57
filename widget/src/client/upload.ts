import type { ChatKitOptions } from "@openai/chatkit";
import type { Attachment } from "../state";
import type { ChatClient } from "./client";
import { ChatError } from "./errors";
import type { WireAttachment } from "./protocol";

/** Uploads files the way the page's options say; gives the attachments to send along. */
export async function uploadFiles(
  client: ChatClient,
  files: File[],
  options: ChatKitOptions | null,
): Promise<Attachment[]> {
  if (!options?.composer?.attachments?.enabled) {
    throw new ChatError("uploads_off", "composer.attachments.enabled is not set in the options.");
  }
  const strategy = "url" in options.api ? options.api.uploadStrategy : undefined;
  const upload = (file: File) =>
    strategy?.type === "direct"
      ? direct(client, file, strategy.uploadUrl)
      : twoPhase(client, file);
  return Promise.all(files.map(upload));
}

async function direct(client: ChatClient, file: File, url: string): Promise<Attachment> {
  return (await client.post(url, form(file))) as WireAttachment;
}

async function twoPhase(client: ChatClient, file: File): Promise<Attachment> {
  const params = { name: file.name, size: file.size, mime_type: file.type };
  const { value } = await client.call("attachments.create", params);
  const { upload_descriptor: descriptor, ...attachment } = value;
  if (!descriptor) throw new ChatError("bad_answer", "The server did not say where to upload to.");
  const { url, method, headers } = descriptor;
  const body = method === "PUT" ? file : form(file);
  // The address is signed by itself: it gets the headers it asked for and no credentials of ours.
  const response = await (client.endpoint.fetch ?? fetch)(url, { method, headers, body });
  if (!response.ok) throw await ChatError.from(response);
  return attachment;
}

function form(file: File): FormData {
  const data = new FormData();
  data.append("file", file, file.name);
  return data;
}
