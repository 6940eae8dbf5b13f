/*
 * estimate.c - tokens of text that nobody counted, on the safe side.
 *
 * English prose has about 4.4 bytes a token, code 3.2 to 3.8, other scripts down to 2 (in
 * UTF-8). Three bytes a token is more than nearly all real requests need; roles and the
 * words around a message cost a few tokens each.
 */
#include "chat.h"

#define BYTES_PER_TOKEN    3
#define TOKENS_PER_IMAGE   1600 /* the most that one image of Anthropic costs; OpenAI's are below */
#define TOKENS_PER_MESSAGE 6

int64_t aiex_tokens_estimate(uint64_t bytes)
{
    return (int64_t)(bytes / BYTES_PER_TOKEN + (bytes % BYTES_PER_TOKEN != 0));
}

int64_t prompt_estimate(int64_t bytes, int n_images, int n_messages)
{
    return aiex_tokens_estimate((uint64_t)bytes) + (int64_t)n_images * TOKENS_PER_IMAGE +
           (int64_t)n_messages * TOKENS_PER_MESSAGE;
}

int64_t aiex_chat_prompt_tokens(int dialect, struct aiex_slice body)
{
    int images = 0, messages = 0;
    int64_t bytes = request_text_bytes(dialect, body, &images, &messages);

    return bytes < 0 ? -1 : prompt_estimate(bytes, images, messages);
}
