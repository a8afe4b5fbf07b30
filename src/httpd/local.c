/*
 * A few pointers for each thread, in the memory that every thread has from its start ("initial-exec"): reading
 * one is one instruction, and a new thread pays nothing. What Rust offers for a library that is loaded at run
 * time costs each new thread an allocation, and pthread_setspecific a walk over all keys at its end.
 */
static __thread const void *slots[4] __attribute__((tls_model("initial-exec")));

const void *confine_slot_get(unsigned int slot)
{
    return slots[slot & 3];
}

void confine_slot_set(unsigned int slot, const void *value)
{
    slots[slot & 3] = value;
}
