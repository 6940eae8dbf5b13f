/*
 * keys.h - the keys of all dialects, and an object taken apart by them in one walk.
 */
#ifndef DIALECT_KEYS_H
#define DIALECT_KEYS_H

#include <aiex_json.h>

/* One row per key: KEY(name). */
#define KEYS(KEY)                                                                                  \
    KEY(action)                                                                                    \
    KEY(allowed_tools)                                                                             \
    KEY(arguments)                                                                                 \
    KEY(background)                                                                                \
    KEY(best_of)                                                                                   \
    KEY(budget_tokens)                                                                             \
    KEY(cache_control)                                                                             \
    KEY(call_id)                                                                                   \
    KEY(code)                                                                                      \
    KEY(content)                                                                                   \
    KEY(context)                                                                                   \
    KEY(conversation)                                                                              \
    KEY(custom)                                                                                    \
    KEY(data)                                                                                      \
    KEY(definition)                                                                                \
    KEY(description)                                                                               \
    KEY(detail)                                                                                    \
    KEY(dimensions)                                                                                \
    KEY(disable_parallel_tool_use)                                                                 \
    KEY(echo)                                                                                      \
    KEY(effort)                                                                                    \
    KEY(encoding_format)                                                                           \
    KEY(encrypted_content)                                                                         \
    KEY(file)                                                                                      \
    KEY(file_data)                                                                                 \
    KEY(file_id)                                                                                   \
    KEY(file_url)                                                                                  \
    KEY(filename)                                                                                  \
    KEY(format)                                                                                    \
    KEY(frequency_penalty)                                                                         \
    KEY(function)                                                                                  \
    KEY(function_call)                                                                             \
    KEY(functions)                                                                                 \
    KEY(grammar)                                                                                   \
    KEY(id)                                                                                        \
    KEY(image_url)                                                                                 \
    KEY(images)                                                                                    \
    KEY(include_usage)                                                                             \
    KEY(input)                                                                                     \
    KEY(input_audio)                                                                               \
    KEY(input_schema)                                                                              \
    KEY(instructions)                                                                              \
    KEY(is_error)                                                                                  \
    KEY(json_schema)                                                                               \
    KEY(keep_alive)                                                                                \
    KEY(logit_bias)                                                                                \
    KEY(max_completion_tokens)                                                                     \
    KEY(max_output_tokens)                                                                         \
    KEY(max_tokens)                                                                                \
    KEY(media_type)                                                                                \
    KEY(messages)                                                                                  \
    KEY(metadata)                                                                                  \
    KEY(modalities)                                                                                \
    KEY(mode)                                                                                      \
    KEY(model)                                                                                     \
    KEY(n)                                                                                         \
    KEY(name)                                                                                      \
    KEY(namespace)                                                                                 \
    KEY(num_predict)                                                                               \
    KEY(operation)                                                                                 \
    KEY(options)                                                                                   \
    KEY(output)                                                                                    \
    KEY(output_config)                                                                             \
    KEY(output_format)                                                                             \
    KEY(parallel_tool_calls)                                                                       \
    KEY(parameters)                                                                                \
    KEY(presence_penalty)                                                                          \
    KEY(previous_response_id)                                                                      \
    KEY(prompt)                                                                                    \
    KEY(prompt_cache_key)                                                                          \
    KEY(raw)                                                                                       \
    KEY(reasoning)                                                                                 \
    KEY(reasoning_content)                                                                         \
    KEY(reasoning_effort)                                                                          \
    KEY(refusal)                                                                                   \
    KEY(response_format)                                                                           \
    KEY(role)                                                                                      \
    KEY(safety_identifier)                                                                         \
    KEY(schema)                                                                                    \
    KEY(seed)                                                                                      \
    KEY(server_label)                                                                              \
    KEY(service_tier)                                                                              \
    KEY(signature)                                                                                 \
    KEY(source)                                                                                    \
    KEY(stop)                                                                                      \
    KEY(stop_sequences)                                                                            \
    KEY(store)                                                                                     \
    KEY(stream)                                                                                    \
    KEY(stream_options)                                                                            \
    KEY(strict)                                                                                    \
    KEY(suffix)                                                                                    \
    KEY(summary)                                                                                   \
    KEY(syntax)                                                                                    \
    KEY(system)                                                                                    \
    KEY(temperature)                                                                               \
    KEY(template)                                                                                  \
    KEY(text)                                                                                      \
    KEY(think)                                                                                     \
    KEY(thinking)                                                                                  \
    KEY(title)                                                                                     \
    KEY(tool_call_id)                                                                              \
    KEY(tool_calls)                                                                                \
    KEY(tool_choice)                                                                               \
    KEY(tool_name)                                                                                 \
    KEY(tool_use_id)                                                                               \
    KEY(tools)                                                                                     \
    KEY(top_k)                                                                                     \
    KEY(top_p)                                                                                     \
    KEY(truncate)                                                                                  \
    KEY(truncation)                                                                                \
    KEY(type)                                                                                      \
    KEY(url)                                                                                       \
    KEY(user)                                                                                      \
    KEY(user_id)                                                                                   \
    KEY(verbosity)

enum key {
#define KEY(name) K_##name,
    KEYS(KEY)
#undef KEY
        N_KEYS
};

/* An object's known members; type 0 = not there, the last of doubles counts. */
struct members {
    int type;         /* of the value itself: the members are an object's */
    enum key doubled; /* a key that occurred twice, N_KEYS = none */
    struct aiex_json_span of[N_KEYS];
};

/* N_KEYS for a key that nobody knows. */
enum key key_of(const struct aiex_json_span *name);
const char *key_name(enum key key);

void members_init(struct members *m);
void members_add(struct members *m, const struct aiex_json_span *key,
                 const struct aiex_json_span *value);
/* No members when `object` is none. */
void members_read(const struct aiex_json_span *object, struct members *ret);
/* The next item of an array, taken apart in the same walk. 0 at the end, or when it is no array. A
 * string is in *string (else its type is 0). */
int members_next(const struct aiex_json_span *array, size_t *at, struct members *ret,
                 struct aiex_json_span *string);

#endif
