// Holds what a precompiled header belongs to; see precompiled.cmake.
int main() { return 0; }
