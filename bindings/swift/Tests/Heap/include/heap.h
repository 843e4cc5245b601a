#include <stddef.h>

/// What is allocated in this process, in bytes.
size_t heap_bytes(void);
